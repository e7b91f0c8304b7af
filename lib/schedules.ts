/**
 * What is sent to a queue again and again: a rule of EventBridge each, with the message as it stands in `resources.ts`.
 *
 * - To a queue and not to the Lambda: a job that fails comes back, and what nobody can do becomes a dead letter, as with
 *   every other job.
 * - Each rule may send to its queue, by the queue's own policy, and no other rule may.
 */
import { Duration } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { schedules } from './resources.ts';

export type ScheduledQueue = (typeof schedules)[keyof typeof schedules]['queue'];

export class Schedules extends Construct {
  constructor(scope: Construct, id: string, queues: Readonly<Record<ScheduledQueue, IQueue>>) {
    super(scope, id);
    for (const [name, { everyMinutes, queue, message }] of Object.entries(schedules)) {
      new Rule(this, name.charAt(0).toUpperCase() + name.slice(1), {
        description: `Sends ${JSON.stringify(message)} to the queue of ${queue}`,
        schedule: Schedule.rate(Duration.minutes(everyMinutes)),
        targets: [new SqsQueue(queues[queue], { message: RuleTargetInput.fromObject(message) })],
      });
    }
  }
}
