/** A receive asks all of SQS's servers, which only long polling does: nothing then means that there is nothing. */
import { createAwsSubject } from '../contracts/aws-subject.ts';
import { freshAddress } from '../contracts/subject.ts';

it('the queue of a session is received from with long polling', async () => {
  const subject = await createAwsSubject();
  const inputs: object[] = [];
  subject.clients.sqs.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        if (commandName === 'ReceiveMessageCommand') inputs.push(args.input);
        return next(args);
      },
    { step: 'initialize', name: 'inputs' },
  );
  const session = freshAddress();
  await subject.ports.queues.create(session);
  expect(await subject.ports.queues.receive(session, 3)).toEqual([]);
  expect(inputs).toMatchObject([{ MaxNumberOfMessages: 3, WaitTimeSeconds: 1 }]);
  await subject.stop();
});
