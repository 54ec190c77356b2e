#!/usr/bin/env node
/** @file Entry point of the `maliang` command. */
import { main } from './cli/main.js';
import { processTerminal } from './cli/process-terminal.js';

const terminal = processTerminal();
process.exitCode = await main(process.argv.slice(2), terminal);
