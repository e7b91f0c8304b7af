/**
 * What API Gateway WebSocket and SQS hand to a Lambda, as far as this broker reads it. Declared here because
 * `@types/aws-lambda` lacks the WebSocket fields. Absent fields may also come as `null`.
 */

interface RequestContext {
  readonly connectionId: string;
  readonly requestId: string;
  readonly connectedAt?: number | null;
  readonly identity?: { readonly sourceIp?: string | null; readonly userAgent?: string | null } | null;
}

/** Who has signed a handshake, where the route has the IAM authorizer. */
interface CallerIdentity {
  readonly userArn?: string | null;
  /** IAM's unique id, such as `AIDA…`, or `AROA…:sessionName`. */
  readonly caller?: string | null;
  /** Where the credentials are from a Cognito identity pool. */
  readonly cognitoIdentityId?: string | null;
}

/** `$connect`: the only event with the headers of the handshake. Nobody knows whether others repeat who has signed it. */
export interface ConnectEvent {
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
  readonly multiValueQueryStringParameters?: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly requestContext: Omit<RequestContext, 'identity'> & {
    readonly eventType: 'CONNECT';
    readonly identity?: (RequestContext['identity'] & CallerIdentity) | null;
  };
}

/** `$default`: one text frame of a client. */
export interface MessageEvent {
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
  readonly requestContext: RequestContext & { readonly eventType: 'MESSAGE'; readonly messageId?: string | null };
}

/** `$disconnect`: late, doubled, or never. */
export interface DisconnectEvent {
  readonly requestContext: RequestContext & {
    readonly eventType: 'DISCONNECT';
    readonly disconnectStatusCode?: number | null;
    readonly disconnectReason?: string | null;
  };
}

/** What a route's Lambda answers. The body of `$default` reaches the client through the route response. */
export interface GatewayResult {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A batch from an SQS event source. */
export interface QueueEvent {
  readonly Records: ReadonlyArray<{ readonly messageId: string; readonly body: string }>;
}

/** The messages of a batch that SQS shall hand out again. */
export interface QueueResult {
  readonly batchItemFailures: ReadonlyArray<{ readonly itemIdentifier: string }>;
}

export interface LambdaContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}
