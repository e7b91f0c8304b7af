/**
 * Both libraries in a real browser, bundled as a page would: the table of cases, the errors that a person reads, and the
 * example page. Where no Chromium is installed the tests are skipped, and their name says so.
 */
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import type { PageSettings, PlainMessage } from './browser-page.ts';
import { openIdentityTable } from './identity-table.ts';
import { interoperates } from './interop.ts';
import type { Connect, Message } from './library.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The environment's CHROMIUM, or one of the usual names on the PATH. */
const executablePath =
  process.env.CHROMIUM ??
  names.flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((at) => join(at, name))).find(isExecutable);

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const bundle = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    define: { global: 'globalThis' },
    // As an application has it that has installed this package.
    alias: { 'serverless-mqtt/client': './client/transport.ts', 'serverless-mqtt/paho': './client/paho.ts' },
    write: false,
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
};

/** Serves these files, and refuses every WebSocket. */
const serve = async (files: Readonly<Record<string, string>>): Promise<Server> => {
  const server = createServer(({ url = '/' }, response) => {
    const path = url.replace(/\?.*/, '');
    const type = path.endsWith('.js') ? 'text/javascript' : 'text/html';
    response.writeHead(files[path] === undefined ? 404 : 200, { 'content-type': `${type}; charset=utf-8` });
    response.end(files[path]);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

if (executablePath === undefined) {
  test.skip(`in a browser: none is installed (looked for CHROMIUM and ${names.join(', ')})`, () => {});
} else {
  let browser: Browser;
  let server: Server;
  let origin: string;
  let page: Page;
  const troubles: string[] = [];
  const listeners = new Map<number, (message: PlainMessage) => void>();

  const openPage = async (path: string): Promise<Page> => {
    const opened = await browser.newPage();
    opened.on('pageerror', (error) => troubles.push(String(error)));
    await opened.goto(`${origin}${path}`);
    return opened;
  };

  beforeAll(async () => {
    server = await serve({
      '/': '<!doctype html><title>tests</title><script src="/tests.js"></script>',
      '/tests.js': await bundle('test/e2e/browser-page.ts'),
      '/browser.html': readFileSync('examples/browser.html', 'utf8'),
      '/browser.js': await bundle('examples/browser.mjs'),
      '/iam/browser.html': readFileSync('examples/iam/browser.html', 'utf8'),
      '/iam/browser.js': await bundle('examples/iam/browser.mjs'),
    });
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath, args });
    page = await openPage('/');
    await page.exposeFunction('heard', (client: number, message: PlainMessage) => listeners.get(client)?.(message));
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    server.close();
    expect(troubles).toEqual([]);
  });

  const plain = (message: Message): PlainMessage => ({
    ...message,
    payload: Buffer.from(message.payload).toString('base64'),
  });

  let clients = 0;
  const connectIn =
    (library: PageSettings['library']): Connect =>
    async ({ url, clientId, clean, will, heard }) => {
      const client = clients++;
      listeners.set(client, (message) => {
        heard({ ...message, payload: new Uint8Array(Buffer.from(message.payload, 'base64')) });
      });
      await page.evaluate((settings) => globalThis.page.connect(settings), {
        ...{ library, client, url, clientId, clean },
        will: will && plain(will),
      });
      return {
        subscribe: (topicFilter, qos) =>
          page.evaluate(([of, filter, asked]) => globalThis.page.subscribe(of, filter, asked), [
            client,
            topicFilter,
            qos,
          ] as const),
        unsubscribe: (topicFilter) =>
          page.evaluate(([of, filter]) => globalThis.page.unsubscribe(of, filter), [client, topicFilter] as const),
        publish: (message) =>
          page.evaluate(([of, what]) => globalThis.page.publish(of, what), [client, plain(message)] as const),
        disconnect: () => page.evaluate((of) => globalThis.page.disconnect(of), client),
      };
    };

  for (const library of ['MQTT.js', 'paho-mqtt'] as const) {
    interoperates(`${library} in Chromium`, connectIn(library));

    test.each([
      ['a refused handshake', () => new URL(origin).port],
      ['an unreachable broker', () => '9'],
    ])(`${library} in Chromium: %s is said as far as a browser knows`, async (_, port) => {
      const url = `ws://127.0.0.1:${port()}/mqtt`;
      const connecting = connectIn(library)({
        ...{ url, clientId: 'nobody', clean: true, will: undefined },
        heard: () => {},
      });
      await expect(connecting).rejects.toThrow(
        `serverless-mqtt: cannot open ${url} (code 1006, a browser tells no more): is it the URL of the broker, and is that up?`,
      );
    });
  }

  test('the example page works as it stands, with both libraries', async () => {
    const stack: LocalStack = await startLocalStack({ port: 0 });
    try {
      const example = await openPage(`/browser.html?url=${encodeURIComponent(stack.url)}`);
      for (const library of ['MQTT.js', 'paho-mqtt']) {
        await example.getByText(`${library}: plant/7/temperature: 21.5`).first().waitFor();
      }
      await example.close();
    } finally {
      await stack.stop();
    }
  }, 120_000);

  test('so does the one that signs', async () => {
    const settings = { authentication: 'iam', iamPolicies: 'all' };
    const stack: LocalStack = await startLocalStack({ port: 0, settings });
    const identities = openIdentityTable(stack);
    try {
      await identities.putPolicy('all', { Effect: 'Allow', Action: 'iot:*', Resource: '*' });
      const example = await openPage(`/iam/browser.html?url=${encodeURIComponent(stack.url)}`);
      await example.getByText('plant/7/temperature: 21.5').first().waitFor();
      await example.close();
    } finally {
      identities.close();
      await stack.stop();
    }
  }, 120_000);
}
