/**
 * The one port of the local stack: WebSocket clients, `@connections`, DynamoDB, SQS, Lambda and the fault switches, told apart by
 * what the request says.
 *
 * Rules of this file:
 * - On 127.0.0.1 only: nothing here asks who is calling. Signatures are taken as they are, but for those of handshakes where IAM
 *   is asked (`gateway/iam-authorizer.ts`).
 * - Requests wait until the stack is ready; the port is taken first, so that a taken port is known at once.
 * - An idle connection is not closed: a frozen Lambda would find its socket dead when it thaws.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Answer } from './answer.ts';
import { type Need, needOfConnections, needOfDynamoDb, needOfLambda, needOfSqs } from './authorization.ts';
import type { CallGate } from './call-gate.ts';
import { type FaultPatch, type Faults, FaultsError } from './faults.ts';
import { type InvokeApi, invokedIn } from './lambda/invoke-api.ts';

/** What the port leads to. */
export interface Services {
  readonly gate: CallGate;
  readonly faults: Faults;
  readonly dynamodb: (operation: string, body: string) => Promise<Answer>;
  readonly sqs: (operation: string, body: string, signal: AbortSignal) => Promise<Answer>;
  readonly lambda: InvokeApi;
  readonly connections: (method: string, path: string, body: Buffer) => Promise<Answer>;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** Something else listens on the port. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly port: number;

  constructor(port: number) {
    super(`port ${port} is taken: stop what uses it, or choose another one`);
    this.port = port;
  }
}

export interface HttpServer {
  readonly port: number;
  /** Lets the waiting requests in. */
  open(services: Services): void;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const LARGEST_BODY_BYTES = 16 * 1024 * 1024;

/** @param port 0 takes any. @throws PortTakenError */
export const listen = async (port: number): Promise<HttpServer> => {
  let open: (services: Services) => void = () => {};
  const services = new Promise<Services>((resolve) => {
    open = resolve;
  });
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
    services
      .then((ready) => respond(ready, request, response))
      .catch((error: unknown) => fail(response, error))
      .catch(() => response.destroy());
  });
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    services.then((ready) => ready.upgrade(request, socket, head)).catch(() => socket.destroy());
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new PortTakenError(port) : error);
    });
    server.listen(port, HOST, resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    open,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const respond = async (services: Services, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const body = await readBody(request);
  if (body === undefined) return send(response, text(413, 'The request is too large.\n'));
  const gone = new AbortController();
  response.once('close', () => gone.abort());

  const path = request.url ?? '/';
  if (path.split('?')[0] === '/_local/faults') return send(response, switchFaults(services.faults, request, body));

  const call = findCall(services, request, path, body, gone.signal);
  if (call === undefined) return send(response, text(404, nothingHere(path)));
  const answer = await services.gate.pass(callerOf(request), call.operation, call.need, call.run);
  if (answer === undefined) response.destroy();
  else send(response, answer);
};

interface Call {
  readonly operation: string;
  readonly need: Need;
  readonly run: () => Promise<Answer>;
}

const connectionOperations: Readonly<Record<string, string>> = {
  POST: 'PostToConnection',
  GET: 'GetConnection',
  DELETE: 'DeleteConnection',
};

/** The AWS operation that a request asks for. */
const findCall = (
  services: Services,
  request: IncomingMessage,
  path: string,
  body: Buffer,
  signal: AbortSignal,
): Call | undefined => {
  const [target, operation = ''] = String(request.headers['x-amz-target'] ?? '').split('.');
  const content = body.toString();
  if (target === 'DynamoDB_20120810') {
    return { operation, need: needOfDynamoDb(operation, content), run: () => services.dynamodb(operation, content) };
  }
  if (target === 'AmazonSQS') {
    return { operation, need: needOfSqs(operation, content), run: () => services.sqs(operation, content, signal) };
  }
  const method = request.method ?? '';
  const invoked = invokedIn(path);
  if (invoked !== undefined && method === 'POST') {
    const type = request.headers['x-amz-invocation-type'];
    return {
      operation: 'Invoke',
      need: needOfLambda(invoked),
      run: () => services.lambda(path, type === undefined ? undefined : String(type), body),
    };
  }
  if (/\/(?:@|%40)connections\//i.test(path)) {
    return {
      operation: connectionOperations[method] ?? method,
      need: needOfConnections(method),
      run: () => services.connections(method, path, body),
    };
  }
  return undefined;
};

/** Name of the Lambda environment that calls, from the user agent of its SDK. Libraries in it may have put theirs behind it. */
const callerOf = (request: IncomingMessage): string | undefined =>
  / app\/(\w+\.\d+)/.exec(request.headers['user-agent'] ?? '')?.[1];

const switchFaults = (faults: Faults, request: IncomingMessage, body: Buffer): Answer => {
  try {
    switch (request.method) {
      case 'GET':
        return json(200, faults.current());
      case 'PUT':
        return json(200, faults.set(JSON.parse(body.toString()) as FaultPatch));
      case 'DELETE':
        faults.clear();
        return json(200, faults.current());
      default:
        return text(405, 'Fault switches: GET shows them, PUT merges JSON into them, DELETE turns all off.\n');
    }
  } catch (error) {
    if (error instanceof FaultsError || error instanceof SyntaxError) return text(400, `${error.message}\n`);
    throw error;
  }
};

const nothingHere = (path: string): string =>
  [
    `Nothing at ${path}. This is a local AWS for an MQTT broker:`,
    'WebSocket clients connect to the stage; @connections, DynamoDB, SQS and Lambda are spoken by the AWS SDK;',
    'GET, PUT and DELETE /_local/faults are its fault switches.',
    '',
  ].join('\n');

const readBody = (request: IncomingMessage): Promise<Buffer | undefined> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= LARGEST_BODY_BYTES) chunks.push(chunk);
    });
    request.on('end', () => resolve(size > LARGEST_BODY_BYTES ? undefined : Buffer.concat(chunks)));
    request.on('error', reject);
  });

const text = (status: number, body: string): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
});

const json = (status: number, body: object): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(body, undefined, 2)}\n`,
});

const send = (response: ServerResponse, { status, headers, body }: Answer): void => {
  if (response.destroyed) return;
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
};

/** A bug of the stand-in, or a service that closed under the request: what AWS calls an internal failure. */
const fail = (response: ServerResponse, error: unknown): void => {
  const message = error instanceof Error ? error.message : String(error);
  send(response, json(500, { __type: 'InternalServerError', message }));
};
