/** @file Whether anybody could see a text. */

const invisible = /^[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}]*$/u;

/** True for spaces, control characters and signs of no width, as copying out of web pages brings along. */
export function isBlank(text: string): boolean {
  return invisible.test(text);
}

/** A text in quotes, what nobody would see written out. */
export function spelledOut(text: string): string {
  return JSON.stringify(text).replace(/\p{Default_Ignorable_Code_Point}/gu, (sign) => {
    return `\\u{${sign.codePointAt(0)!.toString(16)}}`;
  });
}
