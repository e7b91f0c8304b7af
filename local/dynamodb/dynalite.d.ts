/** The parts of dynalite 4.0.0 (pinned) that `dynalite-engine.ts` uses. The package comes without types. */

declare module 'dynalite/db/index.js' {
  export interface Store {
    readonly tableDb: { del(name: string, callback: (error?: Error | null) => void): void };
    readonly db: {
      open(): Promise<void>;
      close(callback: (error?: Error | null) => void): void;
    };
  }
  export interface StoreOptions {
    readonly path?: string;
    readonly createTableMs?: number;
    readonly deleteTableMs?: number;
    readonly updateTableMs?: number;
  }
  const db: {
    create(options: StoreOptions): Store;
    checkConditional(data: unknown, item: unknown): { body: Record<string, unknown> } | null | undefined;
  };
  export default db;
}

declare module 'dynalite/validations/index.js' {
  import type { Store } from 'dynalite/db/index.js';

  const validations: {
    checkTypes(data: unknown, types: object): unknown;
    checkValidations(data: unknown, types: object, custom: unknown, store: Store): void;
  };
  export default validations;
}

declare module 'dynalite/validations/*.js' {
  const validation: { types: Record<string, unknown>; custom?: unknown };
  export default validation;
}

declare module 'dynalite/actions/*.js' {
  import type { Store } from 'dynalite/db/index.js';

  const action: (store: Store, data: unknown, callback: (error: unknown, result?: object) => void) => void;
  export default action;
}
