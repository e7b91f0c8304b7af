import fc from 'fast-check';
import { filterFor, shapeOf } from '../../src/mqtt/filter-shape.ts';
import { matches } from '../../src/mqtt/topic.ts';
import { filterAndName, topicFilter, topicName } from './arbitrary-topics.ts';

describe('shapeOf', () => {
  it.each([
    ['a/b', 'L/L'],
    ['a/+/b/#', 'L/+/L/#'],
    ['#', '#'],
    ['+', '+'],
    ['/', 'L/L'],
    ['/+', 'L/+'],
    ['L/+', 'L/+'],
    ['$SYS/#', 'L/#'],
  ])('of %s is %s', (filter, shape) => {
    expect(shapeOf(filter)).toBe(shape);
  });
});

describe('filterFor', () => {
  it.each([
    ['L/L', 'a/b', 'a/b'],
    ['L/L', 'a', undefined],
    ['L/L', 'a/b/c', undefined],
    ['L/+/L', 'a/b/c', 'a/+/c'],
    ['L/#', 'sensor', 'sensor/#'],
    ['L/#', 'sensor/1/temperature', 'sensor/#'],
    ['L/L/#', 'sensor', undefined],
    ['#', 'a/b', '#'],
    ['+/#', 'a', '+/#'],
    ['+/+', '/finance', '+/+'],
    ['L/L', '/finance', '/finance'],
    ['L/+', 'L/L', 'L/+'],
    ['L', '', ''],
  ])('of the shape %s for %s is %s', (shape, name, filter) => {
    expect(filterFor(shape, name)).toBe(filter);
  });

  it.each([
    ['#', '$SYS/uptime', undefined],
    ['+/L', '$SYS/uptime', undefined],
    ['+/#', '$SYS/uptime', undefined],
    ['L/+', '$SYS/uptime', '$SYS/+'],
    ['L/#', '$SYS/uptime', '$SYS/#'],
    ['+/L', 'a/$SYS', '+/$SYS'],
  ])('[MQTT-4.7.2-1] of the shape %s for %s is %s', (shape, name, filter) => {
    expect(filterFor(shape, name)).toBe(filter);
  });

  it('finds a filter exactly where it matches', () =>
    fc.assert(
      fc.property(filterAndName, ([filter, name]) => {
        expect(filterFor(shapeOf(filter), name) === filter).toBe(matches(filter, name));
      }),
      { numRuns: 10_000 },
    ));

  it('finds, over all shapes in use, what a comparison with every filter finds', () =>
    fc.assert(
      fc.property(fc.uniqueArray(topicFilter, { maxLength: 40 }), topicName, (filters, name) => {
        const shapes = [...new Set(filters.map(shapeOf))];
        const asked = new Set(shapes.map((shape) => filterFor(shape, name)));
        expect(filters.filter((filter) => asked.has(filter))).toEqual(
          filters.filter((filter) => matches(filter, name)),
        );
      }),
      { numRuns: 1_000 },
    ));

  it('gives a filter of the shape that was asked for', () =>
    fc.assert(
      fc.property(topicFilter.map(shapeOf), topicName, (shape, name) => {
        const filter = filterFor(shape, name);
        expect(filter === undefined || shapeOf(filter) === shape).toBe(true);
      }),
      { numRuns: 1_000 },
    ));
});
