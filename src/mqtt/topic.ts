/**
 * Topic names and topic filters: what is allowed, and which filter matches which name (§4.7).
 *
 * Rules of this file:
 * - Levels are what stands between slashes, empty ones included.
 * - Nothing is normalised: names are compared code unit by code unit. [MQTT-4.7.3-4]
 * - Strings come from the codec, which has judged their UTF-8 already.
 */

export interface TopicLimits {
  /** Bytes in UTF-8. */
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
}

/** What no string on the wire can exceed, whatever the settings say. [MQTT-4.7.3-3] */
const LONGEST_STRING_BYTES = 65_535;

/** Why the name cannot be published to, or `undefined` where it can. */
export function topicNameProblem(topic: string, limits: TopicLimits): string | undefined {
  if (/[+#]/.test(topic)) return '[MQTT-3.3.2-2] a topic name with a wildcard';
  return problemOfEither(topic, limits);
}

/** Why the filter cannot be subscribed to, or `undefined` where it can. */
export function topicFilterProblem(topicFilter: string, limits: TopicLimits): string | undefined {
  if (topicFilter.startsWith('$share/')) return 'shared subscriptions ($share/) are not offered yet';
  return problemOfEither(topicFilter, limits) ?? wildcardProblem(topicFilter);
}

/** Whether a valid filter matches a valid name. */
export function matches(topicFilter: string, topicName: string): boolean {
  if (topicName.startsWith('$') && /^[+#]/.test(topicFilter)) return false; // [MQTT-4.7.2-1]
  const wanted = topicFilter.split('/');
  const levels = topicName.split('/');
  for (const [depth, level] of wanted.entries()) {
    if (level === '#') return true; // Whatever follows, and nothing at all: `sensor/#` matches `sensor`.
    if (depth === levels.length) return false;
    if (level !== '+' && level !== levels[depth]) return false;
  }
  return wanted.length === levels.length;
}

/** Bytes of a well-formed text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}

function problemOfEither(text: string, limits: TopicLimits): string | undefined {
  if (text === '') return '[MQTT-4.7.3-1] empty';
  if (text.includes('\u0000')) return '[MQTT-4.7.3-2] contains U+0000';
  const most = Math.min(limits.maxTopicBytes, LONGEST_STRING_BYTES);
  if (utf8Length(text) > most) return `longer than ${most} bytes`;
  if (text.split('/').length > limits.maxTopicLevels) return `more than ${limits.maxTopicLevels} levels`;
  return undefined;
}

function wildcardProblem(topicFilter: string): string | undefined {
  const levels = topicFilter.split('/');
  for (const [depth, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || depth !== levels.length - 1)) {
      return '[MQTT-4.7.1-2] # must be a level of its own, and the last';
    }
    if (level.includes('+') && level !== '+') return '[MQTT-4.7.1-3] + must be a level of its own';
  }
  return undefined;
}
