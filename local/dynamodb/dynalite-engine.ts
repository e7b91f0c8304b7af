/**
 * DynamoDB itself: dynalite's actions on its store, without its HTTP server.
 *
 * Rules of this file:
 * - dynalite's own server is not used: it refuses unsigned requests, throws out of a callback when the store is closed
 *   under a request, and closes its store only after listening. Its checks and actions are called as it calls them.
 * - dynalite 4 does not know `ReturnValuesOnConditionCheckFailure`. It is added here, inside the item's lock, so that
 *   what is returned is the very item that failed the condition.
 * - The version is pinned: this file leans on the inside of the package.
 */
import batchGetItem from 'dynalite/actions/batchGetItem.js';
import batchWriteItem from 'dynalite/actions/batchWriteItem.js';
import createTable from 'dynalite/actions/createTable.js';
import deleteItem from 'dynalite/actions/deleteItem.js';
import describeTable from 'dynalite/actions/describeTable.js';
import getItem from 'dynalite/actions/getItem.js';
import listTables from 'dynalite/actions/listTables.js';
import putItem from 'dynalite/actions/putItem.js';
import query from 'dynalite/actions/query.js';
import scan from 'dynalite/actions/scan.js';
import updateItem from 'dynalite/actions/updateItem.js';
import dynaliteStore, { type Store } from 'dynalite/db/index.js';
import batchGetItemRules from 'dynalite/validations/batchGetItem.js';
import batchWriteItemRules from 'dynalite/validations/batchWriteItem.js';
import createTableRules from 'dynalite/validations/createTable.js';
import deleteItemRules from 'dynalite/validations/deleteItem.js';
import describeTableRules from 'dynalite/validations/describeTable.js';
import getItemRules from 'dynalite/validations/getItem.js';
import validations from 'dynalite/validations/index.js';
import listTablesRules from 'dynalite/validations/listTables.js';
import putItemRules from 'dynalite/validations/putItem.js';
import queryRules from 'dynalite/validations/query.js';
import scanRules from 'dynalite/validations/scan.js';
import updateItemRules from 'dynalite/validations/updateItem.js';

const operations: Readonly<Record<string, readonly [typeof getItem, typeof getItemRules]>> = {
  BatchGetItem: [batchGetItem, batchGetItemRules],
  BatchWriteItem: [batchWriteItem, batchWriteItemRules],
  CreateTable: [createTable, createTableRules],
  DeleteItem: [deleteItem, deleteItemRules],
  DescribeTable: [describeTable, describeTableRules],
  GetItem: [getItem, getItemRules],
  ListTables: [listTables, listTablesRules],
  PutItem: [putItem, putItemRules],
  Query: [query, queryRules],
  Scan: [scan, scanRules],
  UpdateItem: [updateItem, updateItemRules],
};

/** A refusal as DynamoDB words it: the body of the answer, `__type` included. */
export interface EngineError {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export type EngineResult = { readonly ok: object } | { readonly refused: EngineError };

export interface Engine {
  run(operation: string, request: object): Promise<EngineResult>;
  /** Forgets how a table was made. Its items stay, for one that is made anew under the name. */
  abandonTable(name: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param directory of LevelDB; in memory where absent
 * @param createTableMs how long a new table is being created
 * @throws Error where it cannot be opened
 */
export const openEngine = async (directory?: string, createTableMs = 0): Promise<Engine> => {
  returnItemsOnFailedConditions();
  const store = dynaliteStore.create({
    createTableMs,
    ...(directory !== undefined && { path: directory }),
  });
  await store.db.open();

  return {
    run: (operation, request) => {
      const found = operations[operation];
      return found === undefined ? Promise.resolve(unknownOperation(operation)) : runAction(store, found, request);
    },
    abandonTable: (name) =>
      new Promise((resolve, reject) => {
        store.tableDb.del(name, (error) => (error ? reject(error) : resolve()));
      }),
    close: () =>
      new Promise((resolve, reject) => {
        store.db.close((error) => (error ? reject(error) : resolve()));
      }),
  };
};

const runAction = (
  store: Store,
  [action, { types, custom }]: readonly [typeof getItem, typeof getItemRules],
  request: object,
): Promise<EngineResult> =>
  new Promise((resolve, reject) => {
    const settle = (error: unknown, result?: object): void => {
      const { statusCode, body } = (error ?? {}) as { statusCode?: number; body?: EngineError['body'] };
      if (!error) resolve({ ok: result ?? {} });
      else if (statusCode === undefined || body === undefined) reject(error);
      else resolve({ refused: { status: statusCode, body } });
    };
    try {
      const checked = validations.checkTypes(request, types);
      validations.checkValidations(checked, types, custom, store);
      action(store, checked, settle);
    } catch (error) {
      settle(error);
    }
  });

const unknownOperation = (operation: string): EngineResult => ({
  refused: {
    status: 400,
    body: {
      __type: 'com.amazon.coral.service#UnknownOperationException',
      message: `The local stack does not know the DynamoDB operation ${operation}.`,
    },
  },
});

let patched = false;

const returnItemsOnFailedConditions = (): void => {
  if (patched) return;
  patched = true;
  for (const { types } of [putItemRules, updateItemRules, deleteItemRules]) {
    types.ReturnValuesOnConditionCheckFailure = { type: 'String', enum: ['ALL_OLD', 'NONE'] };
  }
  const { checkConditional } = dynaliteStore;
  dynaliteStore.checkConditional = (data, item) => {
    const failure = checkConditional(data, item);
    const wanted = (data as { ReturnValuesOnConditionCheckFailure?: string }).ReturnValuesOnConditionCheckFailure;
    if (failure && item && wanted === 'ALL_OLD') failure.body.Item = item;
    return failure;
  };
};
