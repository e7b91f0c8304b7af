/** What the store of who clients are must do, for the broker and for the operator's commands, whoever implements it. */
import type { Grant, Page, Principal } from '../../src/broker/ports.ts';
import type { GrantId } from '../../src/session/ids.ts';
import { freshAddress, type Subject } from './subject.ts';

export function identityContract(subject: () => Subject): void {
  const identity = () => subject().ports.identity;
  const administration = () => subject().administration;
  /** A name nobody else uses. */
  const freshName = (): string => freshAddress().clientId;
  const principalOf = (changes: Partial<Principal> = {}): Principal => ({
    passwordHash: 'hash',
    policies: [],
    attributes: {},
    ...changes,
  });

  const everything = async <T>(page: (after: string | undefined) => Promise<Page<readonly [string, T]>>) => {
    const entries: (readonly [string, T])[] = [];
    let after: string | undefined;
    do {
      const { found, next } = await page(after);
      entries.push(...found);
      after = next;
    } while (after !== undefined);
    return entries;
  };
  const allPrincipals = () => everything(administration().listPrincipals);
  const allPolicies = () => everything(administration().listPolicies);

  /** Whether something counts the version up. */
  const counts = async (call: () => Promise<unknown>): Promise<boolean> => {
    const before = await identity().version();
    await call();
    return (await identity().version()) > before;
  };

  const oddNames = ['#', 'principal#x', 'a/b+c', 'ümlaut 名 🙂', 'arn:aws:iam::123456789012:user/x', '{"pk":"x"}'];

  describe('principals', () => {
    it('are read as they were entered, and none is where none was', async () => {
      const name = freshName();
      const principal = principalOf({ policies: ['p', 'q'], attributes: { site: 'berlin', 'a b': '' } });
      expect(await administration().addPrincipal(name, principal)).toBe(true);
      expect(await identity().principal(name)).toMatchObject(principal);
      expect(await identity().principal(`${name}x`)).toBeUndefined();
    });

    it('are entered once', async () => {
      const name = freshName();
      await administration().addPrincipal(name, principalOf());
      expect(await administration().addPrincipal(name, principalOf({ passwordHash: 'another' }))).toBe(false);
      expect(await identity().principal(name)).toMatchObject(principalOf());
    });

    it('are edited, and made by no edit', async () => {
      const name = freshName();
      const edit = (principal: Principal): Principal => ({ ...principal, passwordHash: '', attributes: { b: '2' } });
      expect(await administration().editPrincipal(name, edit)).toBeUndefined();
      expect(await identity().principal(name)).toBeUndefined();
      await administration().addPrincipal(name, principalOf({ policies: ['p'], attributes: { a: '1' } }));
      const edited = principalOf({ passwordHash: '', policies: ['p'], attributes: { b: '2' } });
      expect(await administration().editPrincipal(name, edit)).toEqual(edited);
      expect(await identity().principal(name)).toMatchObject(edited);
    });

    it('keep what several edits at once make of them', async () => {
      const name = freshName();
      const policies = ['a', 'b', 'c', 'd'];
      await administration().addPrincipal(name, principalOf());
      await Promise.all(
        policies.map((policy) =>
          administration().editPrincipal(name, (principal) => ({
            ...principal,
            policies: [...principal.policies, policy],
          })),
        ),
      );
      expect((await identity().principal(name))?.policies.toSorted()).toEqual(policies);
    });

    it('go once', async () => {
      const name = freshName();
      await administration().addPrincipal(name, principalOf());
      expect(await administration().removePrincipal(name)).toBe(true);
      expect(await administration().removePrincipal(name)).toBe(false);
      expect(await identity().principal(name)).toBeUndefined();
      expect(await administration().addPrincipal(name, principalOf())).toBe(true);
    });

    it('are listed whole, whatever they are called, and apart from all else', async () => {
      const prefix = freshName();
      const names = oddNames.map((name) => `${name} ${prefix}`);
      const principal = principalOf({ policies: ['p'], attributes: { a: '1' } });
      for (const name of names) await administration().addPrincipal(name, principal);
      await administration().putPolicy(`policy ${prefix}`, '{}');
      await identity().keepGrant(`grant ${prefix}` as GrantId, grant);
      await identity().changeFailedLogins(`login ${prefix}`, { if: [], set: { failures: 1, failedAt: 0 } });
      const listed = (await allPrincipals()).filter(([name]) => name.includes(prefix));
      expect(listed.toSorted()).toEqual(names.toSorted().map((name) => [name, principal]));
    });
  });

  describe('policies', () => {
    it('are read as they were put, the last time', async () => {
      const name = freshName();
      expect(await identity().policy(name)).toBeUndefined();
      await administration().putPolicy(name, '{ "ü": "🙂" }\n');
      expect(await identity().policy(name)).toBe('{ "ü": "🙂" }\n');
      await administration().putPolicy(name, '');
      expect(await identity().policy(name)).toBe('');
    });

    it('go once', async () => {
      const name = freshName();
      await administration().putPolicy(name, '{}');
      expect(await administration().removePolicy(name)).toBe(true);
      expect(await administration().removePolicy(name)).toBe(false);
      expect(await identity().policy(name)).toBeUndefined();
    });

    it('are listed whole, more than 1 MB of them', async () => {
      const prefix = freshName();
      const document = 'x'.repeat(20_480);
      const names = Array.from({ length: 60 }, (_, index) => `${prefix}.${String(index).padStart(2, '0')}`);
      for (const name of [...names, ...oddNames.map((name) => `${prefix} ${name}`)]) {
        await administration().putPolicy(name, document);
      }
      const listed = (await allPolicies()).filter(([name]) => name.startsWith(prefix));
      expect(listed.map(([name]) => name).toSorted()).toEqual(
        [...oddNames.map((name) => `${prefix} ${name}`), ...names].toSorted(),
      );
      expect(listed.every(([, each]) => each === document)).toBe(true);
    });
  });

  describe('the version', () => {
    it('rises with every change of what clients may do, and with every attempt at one', async () => {
      const name = freshName();
      const changes: readonly (() => Promise<unknown>)[] = [
        () => administration().addPrincipal(name, principalOf()),
        () => administration().addPrincipal(name, principalOf()),
        () => administration().editPrincipal(name, (principal) => principal),
        () => administration().editPrincipal(`${name}x`, (principal) => principal),
        () => administration().removePrincipal(name),
        () => administration().removePrincipal(name),
        () => administration().putPolicy(name, '{}'),
        () => administration().removePolicy(name),
        () => administration().removePolicy(name),
      ];
      for (const [index, change] of changes.entries()) expect([index, await counts(change)]).toEqual([index, true]);
    });

    it('stays with all else', async () => {
      const name = freshName();
      const others: readonly (() => Promise<unknown>)[] = [
        () => identity().keepGrant(name as GrantId, grant),
        () => identity().changeFailedLogins(name, { if: [], set: { failures: 1, failedAt: 0 } }),
        () => administration().unlock(name),
        () => administration().listPrincipals(undefined),
        () => administration().listPolicies(undefined),
      ];
      for (const [index, other] of others.entries()) expect([index, await counts(other)]).toEqual([index, false]);
    });
  });

  const grant: Grant = {
    principal: 'password:pump-7',
    records: ['pump-7'],
    policies: ['p'],
    documents: ['{}'],
    values: { 'aws:sourceip': '192.0.2.1', 'jwt:groups': ['a', 'b'], 'jwt:none': [] },
  };

  describe('grants', () => {
    it('are read as they were kept, however often', async () => {
      const id = freshName() as GrantId;
      expect(await identity().grant(id)).toBeUndefined();
      await identity().keepGrant(id, grant);
      await identity().keepGrant(id, grant);
      expect(await identity().grant(id)).toEqual(grant);
    });
  });

  describe('failed logins', () => {
    it('are counted where the conditions hold', async () => {
      const name = freshName();
      const first = await identity().changeFailedLogins(name, {
        if: [['absent']],
        set: { failures: 1, failedAt: 0 },
      });
      expect(first).toEqual({ done: true, record: { failures: 1, failedAt: 0 } });
      const again = await identity().changeFailedLogins(name, { if: [['absent']], set: { failures: 1 } });
      expect(again).toEqual({ done: false, record: { failures: 1, failedAt: 0 } });
      const second = await identity().changeFailedLogins(name, {
        if: [['=', 'failures', 1]],
        set: { failedAt: 1_767_225_600_000 },
        add: { failures: 1 },
      });
      expect(second).toEqual({ done: true, record: { failures: 2, failedAt: 1_767_225_600_000 } });
      expect(await identity().failedLogins(name)).toEqual(second.record);
    });

    it('are forgotten once, and leave the principal', async () => {
      const name = freshName();
      await administration().addPrincipal(name, principalOf());
      await identity().changeFailedLogins(name, { if: [], set: { failures: 9, failedAt: 1 } });
      expect(await administration().unlock(name)).toBe(true);
      expect(await administration().unlock(name)).toBe(false);
      expect(await identity().failedLogins(name)).toBeUndefined();
      expect(await identity().principal(name)).toMatchObject(principalOf());
    });
  });
}
