/**
 * The errors of SQS, and how they look on the wire.
 *
 * Rules of this file: the JSON protocol names an error twice, in the body (`__type`) and, in the words of the older Query
 * protocol, in the header `x-amzn-query-error`. SDK v3 looks at the header first and turns both into one exception name.
 * Batch entries carry a third spelling, the bare code.
 */
import type { Answer } from '../answer.ts';

/** By the name SDK v3 gives them: HTTP status and the Query protocol's code, where that is another word. */
const kinds = {
  BatchEntryIdsNotDistinct: [400, 'AWS.SimpleQueueService.BatchEntryIdsNotDistinct'],
  BatchRequestTooLong: [400, 'AWS.SimpleQueueService.BatchRequestTooLong'],
  EmptyBatchRequest: [400, 'AWS.SimpleQueueService.EmptyBatchRequest'],
  InvalidAddress: [404],
  InvalidAttributeName: [400],
  InvalidAttributeValue: [400],
  InvalidBatchEntryId: [400, 'AWS.SimpleQueueService.InvalidBatchEntryId'],
  InvalidMessageContents: [400],
  InvalidParameterValue: [400],
  MessageNotInflight: [400, 'AWS.SimpleQueueService.MessageNotInflight'],
  MissingParameter: [400],
  OverLimit: [403],
  PurgeQueueInProgress: [403, 'AWS.SimpleQueueService.PurgeQueueInProgress'],
  QueueDeletedRecently: [400, 'AWS.SimpleQueueService.QueueDeletedRecently'],
  QueueDoesNotExist: [400, 'AWS.SimpleQueueService.NonExistentQueue'],
  QueueNameExists: [400, 'QueueAlreadyExists'],
  ReceiptHandleIsInvalid: [404],
  RequestThrottled: [403],
  TooManyEntriesInBatchRequest: [400, 'AWS.SimpleQueueService.TooManyEntriesInBatchRequest'],
  UnknownOperation: [404],
  UnsupportedOperation: [400, 'AWS.SimpleQueueService.UnsupportedOperation'],
  InternalFailure: [500],
} as const satisfies Record<string, readonly [number, string?]>;

export type SqsErrorKind = keyof typeof kinds;

/** These are no shapes of the service model: AWS spells them with a suffix. */
const unmodelled: ReadonlySet<SqsErrorKind> = new Set<SqsErrorKind>([
  'InvalidParameterValue',
  'MissingParameter',
  'UnknownOperation',
]);

/** A request that SQS refuses. */
export class SqsError extends Error {
  override readonly name = 'SqsError';
  readonly kind: SqsErrorKind;
  /** How the same refusal reads in the `Failed` list of a batch. */
  readonly inBatch: { readonly kind: SqsErrorKind; readonly message: string };

  constructor(kind: SqsErrorKind, message: string, inBatch = { kind, message }) {
    super(message);
    this.kind = kind;
    this.inBatch = inBatch;
  }
}

/** The code in the `Failed` list of a batch. */
export const queryCode = (kind: SqsErrorKind): string => kinds[kind][1] ?? kind;

export const isSenderFault = (kind: SqsErrorKind): boolean => kinds[kind][0] < 500;

export const errorAnswer = ({ kind, message }: SqsError): Answer => ({
  status: kinds[kind][0],
  headers: {
    'content-type': 'application/x-amz-json-1.0',
    'x-amzn-query-error': `${queryCode(kind)};${isSenderFault(kind) ? 'Sender' : 'Receiver'}`,
  },
  body: JSON.stringify({
    __type: unmodelled.has(kind) ? `com.amazon.coral.service#${kind}Exception` : `com.amazonaws.sqs#${kind}`,
    message,
  }),
});
