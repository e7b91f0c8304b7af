/**
 * How the queues of clients are named. The Lambdas make them at run time; the stack only says where their names begin,
 * and allows its Lambdas what begins so.
 *
 * A stack's name has no underscore, and the names CloudFormation generates have none either. So the first underscore ends
 * the stack's name: no prefix is the beginning of another stack's prefix, and none matches a queue of the stack itself.
 */

/** SQS allows 80 characters: 32 of the stack's name, 9 here, 32 of a hash, 5 of `.fifo`. */
export const clientQueuePrefix = (stackName: string): string => `${stackName}_session_`;
