/** What a browser gets: small, and nothing of Node in it. */
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build, type Format } from 'esbuild';
import { base64, CONNACK, CONNECT, reply, ScriptedSocket } from './scripted-socket.ts';
import { bytes } from './vectors.ts';
import { settle } from './virtual-clock.ts';

const entries = {
  'client/transport.ts': ['ServerlessMqttError', 'overServerlessMqtt'],
  'client/paho.ts': ['ServerlessMqttError', 'overServerlessMqtt', 'restoreWebSocket'],
};

const bundle = async (entry: string, format: Format) => {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    platform: 'browser',
    target: 'es2022',
    format,
    globalName: 'client',
    packages: 'external',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  return { code: outputFiles[0]?.text ?? '', inputs: metafile.inputs, outputs: metafile.outputs };
};

describe.each(Object.entries(entries))('%s', (entry, exported) => {
  test('is less than 6 KB, minified and compressed', async () => {
    const { code } = await bundle(entry, 'esm');
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(6_000);
  });

  test('imports nothing but files of the client, and exports what users need', async () => {
    const { inputs, outputs } = await bundle(entry, 'esm');
    expect(Object.keys(inputs).filter((path) => !path.startsWith('client/'))).toEqual([]);
    const [output] = Object.values(outputs);
    expect(output?.imports).toEqual([]);
    expect(output?.exports).toEqual(exported);
  });

  test('leaves out what is not used', async () => {
    const { outputFiles } = await build({
      stdin: { contents: `export { ServerlessMqttError } from './${entry}'`, resolveDir: process.cwd() },
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
    });
    expect(outputFiles[0]?.text.length).toBeLessThan(300);
  });
});

test('the client works with the globals of a browser alone', async () => {
  const { code } = await bundle('client/transport.ts', 'iife');
  const opened: ScriptedSocket[] = [];
  class WebSocket extends ScriptedSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      opened.push(this);
    }
  }
  const browser = createContext({
    ...{ atob, btoa, performance, queueMicrotask, setTimeout, clearTimeout },
    WebSocket,
  });
  runInContext(code, browser);
  const socket = runInContext("client.overServerlessMqtt().createWebsocket('wss://broker.example/mqtt')", browser);
  const heard: number[] = [];
  socket.onmessage = (event: MessageEvent) => heard.push(event.data.byteLength);
  opened[0]?.tell('open');
  socket.send(bytes(CONNECT));
  await settle();
  expect(opened[0]?.sent).toEqual([base64(CONNECT)]);
  opened[0]?.tell('message', { data: reply(1, CONNACK) });
  expect(heard).toEqual([4]);
  socket.close();
});
