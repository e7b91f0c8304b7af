/** The contracts on the AWS adapters, through the real SDK, on the embedded services. */
import { createAwsSubject } from './aws-subject.ts';
import { gatewayContract } from './gateway.ts';
import { identityContract } from './identity.ts';
import { queuesContract } from './queues.ts';
import { retainedContract } from './retained.ts';
import { storesContract } from './stores.ts';
import type { Subject } from './subject.ts';

describe('ports on AWS', () => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await createAwsSubject();
  });
  afterAll(() => subject.stop());

  storesContract(() => subject);
  retainedContract(() => subject);
  identityContract(() => subject);
  queuesContract(() => subject);
  gatewayContract(() => subject);
});
