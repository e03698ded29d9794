
const sameness = {
  identical: 'The slugs are the same, byte for byte.',
  same_tar: 'The slugs hold the same tar file, byte for byte; only its compression differs.',
  same_entries: 'The slugs hold the same files. Only what is noted about them differs: times, order, owners or the layout.',
};
const delta = (row) => row.new.compressed - row.old.compressed;
const tone = (number) => (number > 0 ? 'more' : number < 0 ? 'less' : null);
const versions = (change) => [change?.old, change?.new].filter((version) => version != null).join(' → ');
const amount = (number) => make('span', { class: tone(number) }, signed(number));

function headline() {
  const change = data.new.size - data.old.size;
  if (sameness[data.verdict]) return sameness[data.verdict];
  if (change === 0) return `${data.new.file} is as big as ${data.old.file}`;
  return `${data.new.file} is ${bytes(Math.abs(change))} ${change > 0 ? 'bigger' : 'smaller'} than ${data.old.file}`;
}

function parts() {
  const most = Math.max(1, ...data.parts.map((part) => Math.abs(delta(part))));
  return data.parts.slice(0, 15).map((part) => {
    const bar = make('span', { class: delta(part) < 0 ? 'left' : 'right' });
    bar.style.width = 50 * Math.abs(delta(part)) / most + '%';
    return make('li', {},
      make('span', { class: 'amount ' + (tone(delta(part)) ?? '') }, signed(delta(part))),
      make('span', { class: 'what' }, `${part.written} ${versions(part.version)}`.trim(), part.change === 'changed' ? null : `, ${part.change}`),
      make('span', { class: 'track ' + (tone(delta(part)) ?? ''), 'aria-hidden': 'true' }, bar));
  });
}

const sizes = [
  { title: 'In the slug', number: true, value: (row) => Math.abs(delta(row)), cell: (row) => amount(delta(row)) },
  { title: 'Unpacked', number: true, optional: true, value: (row) => Math.abs(row.new.size - row.old.size), cell: (row) => amount(row.new.size - row.old.size) },
];
const change = { title: 'Change', value: (row) => row.change, cell: (row) => row.change + (row.what && row.what !== 'content' ? ` (${row.what})` : '') };

const fileText = (row) => `${row.path} ${row.change}`;
const sumOf = (rows) => `${signed(rows.reduce((sum, row) => sum + delta(row), 0))} in the slug`;

const partTable = new Table({
  rows: [...data.parts], text: (row) => `${row.written} ${row.name}`, sort: 1, sum: sumOf,
  columns: [{ title: 'Part', path: true, value: (row) => row.written.toLowerCase(), cell: (row) => `${row.written} ${versions(row.version)}`.trim() }, ...sizes, change],
});
const distributionTable = new Table({
  rows: [...data.distributions], text: (row) => `${row.written} ${row.name}`, sort: 0, descending: false,
  columns: [
    { title: 'Distribution', path: true, value: (row) => row.name, cell: (row) => row.written }, change,
    { title: 'Old', value: (row) => row.version.old ?? '', cell: (row) => row.version.old ?? '—' },
    { title: 'New', value: (row) => row.version.new ?? '', cell: (row) => row.version.new ?? '—' },
  ],
});
const fileTable = new Table({
  rows: [...data.files], text: fileText, sort: 1, sum: sumOf,
  columns: [{ title: 'File', path: true, value: (row) => row.path, cell: (row) => row.path }, ...sizes, change],
});

/** Makes the tree of the changes: parts, and the files in them. What shrinks has a room of its own, too. */
function changes() {
  const root = { name: 'Changes', path: '', kind: 'directory', size: 0, compressed: 0, change: 0, files: 0, children: [], parent: null, hue: null };
  const byName = new Map(data.parts.map((part) => [part.name, {
    name: part.written, path: '', kind: part.change, size: 0, compressed: 0, change: 0, files: 0, children: [], parent: root, hue: null,
  }]));
  for (const file of data.files) {
    const part = byName.get(file.part);
    if (!part || delta(file) === 0) continue;
    const leaf = {
      name: file.path.split('/').pop(), path: file.path, kind: file.change, size: Math.abs(file.new.size - file.old.size),
      compressed: Math.abs(delta(file)), change: delta(file), files: 1, children: null, parent: part, hue: hueOf(delta(file)),
    };
    part.children.push(leaf);
    for (const above of [part, root]) {
      above.size += leaf.size; above.compressed += leaf.compressed; above.change += leaf.change; above.files++;
    }
  }
  root.children = [...byName.values()].filter((part) => part.files > 0);
  root.children.forEach((part) => { part.hue = hueOf(part.change); });
  return root;
}
const hueOf = (change) => (change > 0 ? 2 : change < 0 ? 145 : null);

function describe(node) {
  $('map-hint').replaceChildren(make('b', {}, node.path || node.name), ` ${signed(amountOf(node))} in the slug`
    + (node.children ? `, ${count(node.files, 'file', 'files')}` : `, ${node.kind}`));
}
const amountOf = (node) => node.change ?? (node.children ?? []).reduce((sum, child) => sum + child.change, 0);

function moved(node) {
  showPath(map, node);
  describe(node);
}

function details() {
  const pairs = [
    ['Old', `${data.old.file}: ${bytes(data.old.size)}, unpacked ${bytes(data.old.content_size)}`], ['Old checksum', data.old.checksum],
    ['New', `${data.new.file}: ${bytes(data.new.size)}, unpacked ${bytes(data.new.content_size)}`], ['New checksum', data.new.checksum],
    ['Python', data.python ? versions(data.python) : 'the same'],
    ...Object.entries(data.process_types).map(([name, change]) => [`Process type ${name}`, `${change.old ?? 'not there'} → ${change.new ?? 'not there'}`]),
    ['Files that differ in their times only', data.totals.other_times.toLocaleString('en')],
  ];
  return make('div', { class: 'card' }, make('dl', { class: 'pairs' },
    ...pairs.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)])));
}

$('name').textContent = headline();
fillFacts([
  ['Old', bytes(data.old.size)], ['New', bytes(data.new.size)], ['Python', data.python ? versions(data.python) : null],
  ['Files', ['added', 'removed', 'changed'].map((kind) => `${data.totals[kind].toLocaleString('en')} ${kind}`).join(', ')],
]);
$('parts').append(...(data.parts.length > 0 ? parts() : [make('li', {}, make('span'), make('span', { class: 'what' }, 'Nothing'))]));
const tree = changes();
const map = new Treemap($('map'), { measure: () => 'compressed', describe, moved, amount: (node) => signed(amountOf(node)) });
new Tabs([
  { id: 'files', title: 'Files', table: fileTable },
  { id: 'distributions', title: 'Distributions', table: distributionTable },
  { id: 'parts', title: 'Parts', table: partTable },
  { id: 'details', title: 'Details', element: details() },
], (needle) => {
  const matches = matcher(needle);
  map.mark(tree, matches && ((node) => matches(`${node.path} ${node.kind}`)));
});
map.show(tree);
