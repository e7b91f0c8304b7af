/** The lines of the log, and the metrics in them. */
import { createLog } from '../../lambda/log.ts';

describe('the line of an event', () => {
  let lines: string[];
  beforeEach(() => {
    lines = [];
    jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
      lines.push(String(line));
      return true;
    });
  });
  afterEach(() => jest.restoreAllMocks());

  const log = createLog('my-broker');
  const written = () => {
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/\n$/);
    return JSON.parse(lines[0] ?? '');
  };

  it('says when, what, and its fields', () => {
    log('socket-closed', { connectionId: 'c=', statusCode: 1006 });
    const { timestamp, ...rest } = written();
    expect(new Date(timestamp).toISOString()).toBe(timestamp);
    expect(rest).toEqual({ event: 'socket-closed', connectionId: 'c=', statusCode: 1006 });
  });

  it.each([
    ['messages-stored', { messages: 3 }, 'MessagesStored', 3],
    ['messages-redelivered', { messages: 10 }, 'MessagesRedelivered', 10],
    ['storage-bound', { refused: 2, storedMessages: 100 }, 'MessagesRefused', 2],
    ['connected', { sessionPresent: false }, 'SessionsCreated', 1],
    ['connected', { sessionPresent: true }, 'SessionsResumed', 1],
    ['session-ended', { cause: 'expired' }, 'SessionsExpired', 1],
    ['will-published', {}, 'WillsPublished', 1],
    ['connect-refused', { detail: 'x' }, 'ConnectsRefused', 1],
    ['violation', { reason: 'not-authorized', detail: 'x' }, 'PublishesRefused', 1],
    ['publish-dropped', { messages: 4 }, 'PublishesRefused', 4],
    ['receive-refused', { messages: 5 }, 'DeliveriesRefused', 5],
  ])('%s %j is counted as %s: %d', (event, more, metric, value) => {
    const fields = { clientId: 'client', ...more };
    log(event, fields);
    const { _aws, timestamp, ...rest } = written();
    expect(rest).toEqual({ event, ...fields, stack: 'my-broker', [metric]: value });
    expect(_aws).toEqual({
      Timestamp: expect.any(Number),
      CloudWatchMetrics: [
        { Namespace: 'ServerlessMqtt', Dimensions: [['stack']], Metrics: [{ Name: metric, Unit: 'Count' }] },
      ],
    });
    expect(Math.abs(_aws.Timestamp - Date.parse(timestamp))).toBeLessThan(60_000);
  });

  it.each([
    ['session-ended', { cause: 'replaced' }],
    ['error', { detail: 'AWS is down' }],
  ])('%s %j is not counted', (event, fields) => {
    log(event, fields);
    expect(written()).toEqual({ timestamp: expect.any(String), event, ...fields });
  });

  it('counts for itself: nothing of an earlier one', () => {
    log('messages-stored', { messages: 3 });
    log('will-published', {});
    log('messages-stored', { messages: 4 });
    expect(
      lines
        .map((line) => JSON.parse(line))
        .map(({ MessagesStored, WillsPublished }) => [MessagesStored, WillsPublished]),
    ).toEqual([
      [3, undefined],
      [undefined, 1],
      [4, undefined],
    ]);
  });
});
