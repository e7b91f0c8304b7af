import { isAllowed, needOfConnections, needOfDynamoDb, needOfLambda, needOfSqs } from '../../local/authorization.ts';

const queue = (name: string) => JSON.stringify({ QueueUrl: `http://127.0.0.1:1/000000000000/${name}` });

describe('a Lambda may call what its policy grants, and nothing else', () => {
  it.each([
    ['message', needOfDynamoDb('UpdateItem', '{"TableName":"sessions"}'), true],
    ['message', needOfDynamoDb('Scan', '{"TableName":"sessions"}'), false],
    ['message', needOfDynamoDb('GetItem', '{"TableName":"somebody-elses"}'), false],
    ['message', needOfSqs('SendMessage', queue('serverless-mqtt_session_x.fifo')), true],
    ['message', needOfSqs('CreateQueue', '{"QueueName":"serverless-mqtt_session_x.fifo"}'), true],
    ['message', needOfSqs('CreateQueue', '{"QueueName":"other.fifo"}'), false],
    ['message', needOfSqs('ReceiveMessage', queue('serverless-mqtt_session_x.fifo')), false],
    ['redeliver', needOfSqs('DeleteMessageBatch', queue('serverless-mqtt_session_x.fifo')), true],
    ['redeliver', needOfSqs('SendMessage', queue('redelivery')), true],
    ['connect', needOfSqs('SendMessage', queue('timers')), true],
    ['connect', needOfSqs('SendMessage', queue('redelivery')), false],
    ['timer', needOfConnections('DELETE'), true],
    ['timer', needOfConnections('GET'), true],
    ['message', needOfConnections('GET'), false],
    ['connect', needOfConnections('POST'), false],
    ['timer', needOfDynamoDb('Query', '{"TableName":"sessions","IndexName":"expiry"}'), true],
    ['timer', needOfDynamoDb('Query', '{"TableName":"subscriptions","IndexName":"expiry"}'), false],
    ['message', needOfDynamoDb('Query', '{"TableName":"sessions","IndexName":"expiry"}'), false],
    ['message', needOfDynamoDb('Query', '{"TableName":"sessions"}'), true],
    ['timer', needOfSqs('ListQueues', '{"QueueNamePrefix":"serverless-mqtt_session_"}'), true],
    ['message', needOfSqs('ListQueues', '{"QueueNamePrefix":"serverless-mqtt_session_"}'), false],
    ['message', needOfLambda('authorizer'), true],
    ['timer', needOfLambda('arn:aws:lambda:us-east-1:000000000000:function:authorizer'), true],
    ['message', needOfLambda('message'), false],
    ['connect', needOfLambda('authorizer'), false],
    ['redeliver', needOfLambda('authorizer'), false],
    ['nobody', needOfConnections('POST'), false],
  ])('%s: %j is %s', (functionName, need, expected) => {
    expect(isAllowed(functionName, need)).toBe(expected);
  });
});
