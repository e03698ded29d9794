
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
    const bar = make('span');
    bar.style.width = 100 * Math.abs(delta(part)) / most + '%';
    return make('li', {},
      make('span', { class: 'amount ' + (tone(delta(part)) ?? '') }, signed(delta(part))),
      make('span', { class: 'what' }, `${part.name} ${versions(part.version)}`.trim(), part.change === 'changed' ? null : `, ${part.change}`),
      make('span', { class: 'track ' + (tone(delta(part)) ?? ''), 'aria-hidden': 'true' }, bar));
  });
}

const sizes = [
  { title: 'In the slug', number: true, value: (row) => Math.abs(delta(row)), cell: (row) => amount(delta(row)) },
  { title: 'Unpacked', number: true, optional: true, value: (row) => Math.abs(row.new.size - row.old.size), cell: (row) => amount(row.new.size - row.old.size) },
];
const change = { title: 'Change', value: (row) => row.change, cell: (row) => row.change + (row.what && row.what !== 'content' ? ` (${row.what})` : '') };

const partTable = new Table({
  rows: [...data.parts], text: (row) => row.name, sort: 1,
  columns: [{ title: 'Part', path: true, value: (row) => row.name, cell: (row) => `${row.name} ${versions(row.version)}`.trim() }, ...sizes, change],
});
const distributionTable = new Table({
  rows: [...data.distributions], text: (row) => row.name, sort: 0, descending: false,
  columns: [
    { title: 'Distribution', path: true, value: (row) => row.name, cell: (row) => row.name }, change,
    { title: 'Old', value: (row) => row.version.old ?? '', cell: (row) => row.version.old ?? '—' },
    { title: 'New', value: (row) => row.version.new ?? '', cell: (row) => row.version.new ?? '—' },
  ],
});
const fileTable = new Table({
  rows: [...data.files], text: (row) => `${row.path} ${row.change}`, sort: 1,
  columns: [{ title: 'File', path: true, value: (row) => row.path, cell: (row) => row.path }, ...sizes, change],
});

function details() {
  const pairs = [
    ['Old', `${data.old.file}: ${bytes(data.old.size)}, unpacked ${bytes(data.old.content_size)}`], ['Old checksum', data.old.checksum],
    ['New', `${data.new.file}: ${bytes(data.new.size)}, unpacked ${bytes(data.new.content_size)}`], ['New checksum', data.new.checksum],
    ['Python', data.python ? versions(data.python) : 'the same'],
    ...Object.entries(data.process_types).map(([name, change]) => [`Process type ${name}`, `${change.old ?? 'not there'} → ${change.new ?? 'not there'}`]),
    ['Files that differ in their times only', String(data.totals.other_times)],
  ];
  return make('div', { class: 'card' }, make('dl', { class: 'pairs' },
    ...pairs.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)])));
}

$('name').textContent = headline();
fillFacts([
  ['Old', bytes(data.old.size)], ['New', bytes(data.new.size)], ['Python', data.python ? versions(data.python) : null],
  ['Files', `${data.totals.added} added, ${data.totals.removed} removed, ${data.totals.changed} changed`],
]);
$('parts').append(...(data.parts.length > 0 ? parts() : [make('li', {}, make('span'), make('span', { class: 'what' }, 'Nothing'))]));
new Tabs([
  { id: 'files', title: 'Files', table: fileTable },
  { id: 'distributions', title: 'Distributions', table: distributionTable },
  { id: 'parts', title: 'Parts', table: partTable },
  { id: 'details', title: 'Details', element: details() },
]);
