import fc from 'fast-check';
import { apply, type Change, type Condition, holds } from '../../src/session/change.ts';

interface Record {
  readonly name: string;
  readonly count: number;
  readonly ready: boolean;
  readonly note?: string;
}

const record: Record = { name: 'b', count: 5, ready: false };

describe('holds', () => {
  it.each<[Condition<Record>, boolean]>([
    [['=', 'count', 5], true],
    [['=', 'count', 6], false],
    [['=', 'name', 'b'], true],
    [['=', 'name', 'B'], false],
    [['=', 'ready', false], true],
    [['=', 'ready', true], false],
    [['<>', 'count', 6], true],
    [['<>', 'count', 5], false],
    [['<>', 'name', 'a'], true],
    [['<', 'count', 6], true],
    [['<', 'count', 5], false],
    [['<=', 'count', 5], true],
    [['<=', 'count', 4], false],
    [['>', 'count', 4], true],
    [['>', 'count', 5], false],
    [['>=', 'count', 5], true],
    [['>=', 'count', 6], false],
    [['absent'], false],
  ])('%j of { name: b, count: 5, ready: false } is %s', (condition, expected) => {
    expect(holds([condition], record)).toBe(expected);
  });

  it.each<[Condition<Record>]>([
    [['=', 'count', 0]],
    [['<>', 'count', 5]],
    [['<', 'count', 5]],
    [['<=', 'count', 5]],
    [['>', 'count', -1]],
    [['>=', 'count', 0]],
    [['=', 'name', '']],
    [['=', 'ready', false]],
  ])('%j does not hold of an absent record', (condition) => {
    expect(holds([condition], undefined)).toBe(false);
  });

  it.each<[Condition<Record>]>([[['=', 'note', '']], [['<>', 'note', 'x']], [['>=', 'note', '']]])(
    '%j does not hold where the attribute is absent',
    (condition) => {
      expect(holds([condition], record)).toBe(false);
    },
  );

  it.each<[string, readonly Condition<Record>[], Record | undefined, boolean]>([
    ['no condition holds of any record', [], record, true],
    ['no condition holds of an absent one', [], undefined, true],
    ['absent holds of an absent one', [['absent']], undefined, true],
    [
      'all have to hold',
      [
        ['=', 'count', 5],
        ['=', 'name', 'x'],
      ],
      record,
      false,
    ],
    [
      'all of them hold',
      [
        ['=', 'count', 5],
        ['=', 'name', 'b'],
      ],
      record,
      true,
    ],
    [
      'any: one is enough',
      [
        [
          'any',
          [
            ['=', 'count', 1],
            ['=', 'name', 'b'],
          ],
        ],
      ],
      record,
      true,
    ],
    [
      'any: none holds',
      [
        [
          'any',
          [
            ['=', 'count', 1],
            ['=', 'name', 'x'],
          ],
        ],
      ],
      record,
      false,
    ],
    ['any: of nothing', [['any', []]], record, false],
    ['any: of an absent record', [['any', [['absent'], ['=', 'count', 5]]]], undefined, true],
    [
      'any beside another',
      [
        ['any', [['=', 'count', 5]]],
        ['=', 'ready', true],
      ],
      record,
      false,
    ],
    ['any in any', [['any', [['any', [['=', 'count', 5]]]]]], record, true],
  ])('%s', (_what, conditions, of, expected) => {
    expect(holds(conditions, of)).toBe(expected);
  });
});

describe('apply', () => {
  it.each<[string, Change<Record>, Record | undefined, object]>([
    ['sets', { if: [], set: { name: 'c', ready: true } }, record, { name: 'c', count: 5, ready: true }],
    ['sets what was absent', { if: [], set: { note: 'new' } }, record, { ...record, note: 'new' }],
    ['adds', { if: [], add: { count: 3 } }, record, { ...record, count: 8 }],
    ['takes away', { if: [], add: { count: -7 } }, record, { ...record, count: -2 }],
    ['adds 0', { if: [], add: { count: 0 } }, record, record],
    ['does both', { if: [], set: { name: 'c' }, add: { count: 1 } }, record, { name: 'c', count: 6, ready: false }],
    ['changes nothing', { if: [] }, record, record],
    ['makes a record', { if: [['absent']], set: record }, undefined, record],
    [
      'adds to an absent record',
      { if: [], set: { name: 'c', ready: true }, add: { count: 2 } },
      undefined,
      { name: 'c', ready: true, count: 2 },
    ],
  ])('%s', (_what, change, before, after) => {
    expect(apply(change, before)).toEqual(after);
  });

  it('leaves the record that it was given as it is, and whatever it does not name', () => {
    const any = fc.record({ name: fc.string(), count: fc.integer(), ready: fc.boolean() });
    fc.assert(
      fc.property(
        any,
        fc.record({ name: fc.string(), ready: fc.boolean() }, { requiredKeys: [] }),
        fc.integer(),
        (before, set, amount) => {
          const copy = { ...before };
          const after = apply<Record>({ if: [], set, add: { count: amount } }, Object.freeze(before));
          expect(before).toEqual(copy);
          expect(after).toEqual({ ...before, ...set, count: before.count + amount });
        },
      ),
    );
  });
});
