/** What docs/administration.md shows is so. */
import { readFileSync } from 'node:fs';
import { usage as policiesUsage } from '../../admin/policies-command-line.ts';
import { usage as principalsUsage } from '../../admin/principals-command-line.ts';
import { createAdmin } from './admin.ts';

const page = readFileSync('docs/administration.md', 'utf8');
const example = 'examples/own-topics.json';

const withPump = async () => {
  const admin = createAdmin();
  expect(await admin.policies(`put own-topics ${example}`)).toMatchObject({ code: 0 });
  expect(await admin.principals('add pump-7 --policy own-topics --generate')).toMatchObject({ code: 0 });
  return admin;
};

test('the two questions of its beginning have these answers', async () => {
  const { policies } = await withPump();
  const shown = [...page.matchAll(/^\$ npx serverless-mqtt policies (test .*) \\\n +(.*)\n(.*)$/gm)];
  expect(shown).toHaveLength(2);
  for (const [, begin, end, answer] of shown) expect((await policies(`${begin} ${end}`)).out).toBe(answer);
});

test.each([
  ['iot:Connect', '', 0],
  ['iot:Connect --connect-attributes PersistentConnect,LastWill --will-topic devices/pump-7/gone', '', 0],
  ['iot:Connect --will-topic devices/pump-8/gone', '', 3],
  ['iot:RetainPublish', '--resource topic/devices/pump-7/a', 0],
  ['iot:Receive', '--resource topic/devices/pump-7/a/b', 0],
  ['iot:Receive', '--resource topic/devices/pump-8/a', 3],
  ['iot:Subscribe', '--resource topicfilter/devices/pump-7/#', 0],
  ['iot:Subscribe', '--resource topicfilter/devices/#', 3],
  ['iot:Subscribe', '--resource topicfilter/devices/+/a', 3],
])('by the example of a policy, %s %s is answered with %i', async (action, resource, code) => {
  const { policies } = await withPump();
  expect((await policies(`test --principal pump-7 --client-id pump-7 --action ${action} ${resource}`)).code).toBe(code);
});

test.each([
  ['pump-7/2', 0],
  ['pump-77', 3],
  ['pump-8', 3],
])('by the example of a policy, pump-7 with the client id %s is answered with %i', async (clientId, code) => {
  const { policies } = await withPump();
  expect((await policies(`test --principal pump-7 --client-id ${clientId} --action iot:Connect`)).code).toBe(code);
});

test.each([
  ['principals', principalsUsage],
  ['policies', policiesUsage],
])('the page has every command and option of %s', (_, usage) => {
  const words = [...usage.matchAll(/^ {2}(\w+)|(--[\w-]+)/gm)].map(([, command, option]) => command ?? option ?? '');
  expect(words.length).toBeGreaterThan(10);
  const missing = words.filter((word) => word !== '--help' && !new RegExp(`\`[^\`\n]*${word}\\b`).test(page));
  expect(missing).toEqual([]);
});
