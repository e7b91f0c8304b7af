/**
 * The WebSocket API, its stage and its routes.
 *
 * - Every frame goes to `$default`: the route selection expression is a constant, so that base64 which happens to parse
 *   as JSON cannot pick another route.
 * - Only `$default` has a route response. What `$connect` answers is the handshake itself; `$disconnect` has nobody left
 *   to answer.
 * - Made before the functions, which need its URL; the routes are added after them. The API refers to no function, so
 *   there is no circle.
 * - API Gateway asks one authorizer per route, and knows one for WebSockets that needs no code: IAM. Where it is on, every
 *   handshake must be signed, whatever else the broker takes for a proof in CONNECT.
 * - No access logs: API Gateway writes them through a role of the whole account and Region, which a stack must not set.
 */
import { WebSocketApi, WebSocketStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

export interface GatewayProps {
  readonly name: string;
  readonly stageName: string;
  /** Whether handshakes must be signed (SigV4). */
  readonly isSigned: boolean;
}

export class Gateway extends Construct {
  readonly api: WebSocketApi;
  readonly stage: WebSocketStage;
  readonly #isSigned: boolean;

  constructor(scope: Construct, id: string, { name, stageName, isSigned }: GatewayProps) {
    super(scope, id);
    this.#isSigned = isSigned;
    this.api = new WebSocketApi(this, 'Api', { apiName: name, routeSelectionExpression: '\\$default' });
    this.stage = new WebSocketStage(this, 'Stage', { webSocketApi: this.api, stageName, autoDeploy: true });
  }

  /** @param id of the integration. Never `Default`: CDK leaves that word out of logical ids, and two resources collide. */
  route(id: string, routeKey: string, handler: IFunction): void {
    this.api.addRoute(routeKey, {
      integration: new WebSocketLambdaIntegration(id, handler),
      returnResponse: routeKey === '$default',
      ...(this.#isSigned && routeKey === '$connect' && { authorizer: new WebSocketIamAuthorizer() }),
    });
  }
}
