#!/usr/bin/env node
/**
 * The command `serverless-mqtt`. It only picks what to run, and runs it in this process, so that signals and the
 * terminal reach it. In a clone of the repository the sources are TypeScript, and tsx loads them. An installed package has
 * no sources: there the bridge is compiled, and it is the only one that is there.
 */
import { existsSync, readFileSync } from 'node:fs';

const commands = {
  start: '../local/main.ts',
  demo: '../local/demo.ts',
  bridge: '../client/bridge/main.ts',
  principals: '../admin/principals.ts',
  policies: '../admin/policies.ts',
};

const installed = {
  bridge: '../dist/client/bridge/main.js',
};

const isThere = (file) => file !== undefined && existsSync(new URL(file, import.meta.url));

const help = `Usage: serverless-mqtt COMMAND [options]

Commands:
  start       run the broker on this machine (in a clone of the repository)
  demo        watch a client go offline, come back and get what it missed (in a clone of the repository)
  bridge      let any MQTT client, over TCP or WebSocket, speak to the broker
  principals  who may connect, and by which password (in a clone of the repository)
  policies    what clients may do (in a clone of the repository)

Options:
  --help      this text; after a command, that command's options
  --version   the version

The broker on AWS is deployed with "npx cdk deploy".`;

const [command, ...argv] = process.argv.slice(2);

if (command === '--version' || command === '-v') {
  console.log(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version);
} else if (command === undefined || command === '--help' || command === '-h') {
  console.log(help);
} else if (!Object.hasOwn(commands, command)) {
  console.error(`There is no command "${command}": try serverless-mqtt --help.`);
  process.exitCode = 2;
} else if (isThere(commands[command])) {
  // The AWS SDK's advice to leave Node 20 is not for users of this command: on AWS the broker runs on Node 24.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const { register } = await import('tsx/esm/api');
  register();
  const { main } = await import(commands[command]);
  process.exitCode = await main(argv);
} else if (isThere(installed[command])) {
  const { main } = await import(installed[command]);
  process.exitCode = await main(argv);
} else {
  console.error(`"${command}" runs in a clone of the repository only; in the installed package there is "bridge".`);
  process.exitCode = 2;
}
