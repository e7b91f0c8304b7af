/** How many messages go together in one push. Pure. */
import { type Message, storedBytes } from './session.ts';

/** Bytes of payload and topic beyond which a push is not filled up any further. */
const PUSH_BYTES = 96 * 1_024;

/** The first of `messages` that make one push: at least one, at most `most`. */
export const onePush = <M extends Message>(messages: readonly M[], most: number): readonly M[] => {
  let bytes = 0;
  const end = messages.findIndex((message, index) => {
    bytes += storedBytes(message);
    return index >= most || (index > 0 && bytes > PUSH_BYTES);
  });
  return end < 0 ? messages : messages.slice(0, end);
};
