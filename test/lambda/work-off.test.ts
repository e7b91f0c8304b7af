import { workOff } from '../../lambda/work-off.ts';

describe('a batch of a work queue', () => {
  it('hands back exactly the messages that failed, with one line each, and loses none of the others', async () => {
    const done: unknown[] = [];
    const lines: unknown[] = [];
    const Records = ['{"n":1}', 'not JSON', '{"n":3}', '{"n":4}'].map((body, index) => ({
      messageId: `id-${index + 1}`,
      body,
    }));
    const log = (event: string, fields: object) => {
      lines.push({ event, ...fields });
    };
    const result = await workOff({ Records }, { log }, async (body) => {
      if ((body as { n: number }).n === 3) throw new Error('AWS is down');
      done.push(body);
    });
    expect(result).toEqual({ batchItemFailures: [{ itemIdentifier: 'id-2' }, { itemIdentifier: 'id-3' }] });
    expect(done).toEqual([{ n: 1 }, { n: 4 }]);
    expect(lines).toMatchObject([
      { event: 'error', messageId: 'id-2' },
      { event: 'error', messageId: 'id-3', detail: 'Error: AWS is down' },
    ]);
  });
});
