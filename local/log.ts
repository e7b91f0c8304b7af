/** Where lines go: the output of Lambdas as it is, and what the local stack itself has to say. */

/** `from` is the name of the Lambda that printed the line, or `local` for the stack itself. */
export type LogSink = (line: string, from: string) => void;

export const silentLog: LogSink = () => {};
