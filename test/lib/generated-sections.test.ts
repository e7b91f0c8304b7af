/** The parts of the documentation that are made from the code say what the code says. */
import { readFileSync } from 'node:fs';
import { generatedSections, withSection } from '../../scripts/generated-sections.ts';

test.each(generatedSections)('$file has the present $marker: else run npm run docs', (section) => {
  const text = readFileSync(section.file, 'utf8');
  expect(withSection(text, section)).toBe(text);
});

describe('writing a section', () => {
  const section = { file: 'A.md', marker: 'here', render: () => 'new' };

  test('replaces what is between the markers, and nothing else', () => {
    const text = 'a <!-- here:begin -->\nold\nolder\n<!-- here:end --> b <!-- there:begin -->c<!-- there:end -->';
    expect(withSection(text, section)).toBe(text.replace('old\nolder', 'new'));
  });

  test.each(['', '<!-- here:begin -->', '<!-- here:end --><!-- here:begin -->'])('says what %j lacks', (text) => {
    expect(() => withSection(text, section)).toThrow('A.md lacks the lines <!-- here:begin --> and <!-- here:end -->');
  });
});
