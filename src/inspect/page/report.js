
const { report, owners } = data;
const entries = data.entries.map(([path, size, compressed, owner, kind]) => ({ path, size, compressed, owner, kind }));
const distributions = owners.length - 3;
const measure = () => document.querySelector('input[name=measure]:checked').value;
const view = () => document.querySelector('input[name=view]:checked').value;

/** The golden angle keeps neighbours apart; Python and the buildpack are grey, the app is green. */
function hueOf(owner) {
  if (owner < distributions) return Math.round(owner * 137.508) % 360;
  return owner === distributions + 2 ? 150 : null;
}

function folder(name, path, parent) {
  return { name, path, kind: 'directory', size: 0, compressed: 0, files: 0, children: [], byName: new Map(), parent, hue: null };
}

/** Makes a tree of entries below a root; what is in a directory `top` stands right below it. */
function grow(root, list, top = '') {
  for (const entry of list) {
    const above = top && entry.path.startsWith(top + '/') ? top.length + 1 : 0;
    const parts = entry.path.slice(above).split('/');
    const pathOf = (depth) => entry.path.slice(0, above) + parts.slice(0, depth + 1).join('/');
    let node = root;
    parts.forEach((part, depth) => {
      node.size += entry.size; node.compressed += entry.compressed; node.files += entry.kind === 'directory' ? 0 : 1;
      const isLast = depth === parts.length - 1;
      if (isLast && entry.kind !== 'directory') {
        node.children.push({ ...entry, name: part, files: 1, children: null, parent: node, hue: hueOf(entry.owner) });
        return;
      }
      let next = node.byName.get(part);
      if (!next) {
        next = folder(part, pathOf(depth), node);
        node.byName.set(part, next);
        node.children.push(next);
      }
      node = next;
      if (isLast) { node.size += entry.size; node.compressed += entry.compressed; }
    });
  }
  finish(root);
}

/** Joins directories that hold nothing but one directory, and colours those that are all of one owner's. */
function finish(node) {
  for (let [index, child] of node.children.entries()) {
    if (!child.children) continue;
    while (child.children.length === 1 && child.children[0].children) {
      const only = child.children[0];
      only.name = child.name + '/' + only.name;
      only.parent = node;
      node.children[index] = only;
      child = only;
    }
    finish(child);
  }
  const filled = node.children.filter((child) => child.size > 0);
  const hues = new Set(filled.map((child) => child.hue));
  if (hues.size === 1 && node.parent && !node.fixed) node.hue = [...hues][0];
}

function byDirectory() {
  const root = folder(report.slug.file, '', null);
  grow(root, entries);
  return root;
}

function byDistribution() {
  const root = folder(report.slug.file, '', null);
  const groups = owners.map((name, number) => Object.assign(folder(name, '', root), {
    kind: number < distributions ? 'distribution' : 'part', hue: hueOf(number), fixed: true, owner: number,
  }));
  const lists = owners.map(() => []);
  for (const entry of entries) lists[entry.owner].push(entry);
  groups.forEach((group, number) => {
    grow(group, lists[number], data.tops[number]);
    root.size += group.size; root.compressed += group.compressed; root.files += group.files;
  });
  root.children = groups.filter((group) => group.files > 0);
  return root;
}

const trees = {};
const tree = (name) => (trees[name] ??= name === 'directory' ? byDirectory() : byDistribution());

function describe(node) {
  const whole = tree(view())[measure()];
  const title = node.kind === 'rest' ? node.name : node.path || node.name;
  const owner = node.owner === undefined || node.kind === 'distribution' ? '' : `, of ${owners[node.owner]}`;
  $('map-hint').replaceChildren(make('b', {}, title),
    ` ${bytes(node.compressed)} in the slug, ${bytes(node.size)} unpacked, ${percent(node[measure()], whole)} of all`
    + (node.children ? `, ${count(node.files, 'file', 'files')}` : '') + owner);
}

function moved(node) {
  showPath(map, node);
  describe(node);
}

const map = new Treemap($('map'), { measure, describe, moved });

/** Marks in the map what is searched for. */
function mark(needle) {
  const matches = matcher(needle);
  map.mark(tree(view()), matches && ((node) => matches(fileText(node))));
}

/** Shows an entry of the lists in the map. */
function find(name, wanted) {
  document.querySelector(`input[name=view][value=${name}]`).checked = true;
  mark($('search').value);
  let node = tree(name);
  for (;;) {
    const next = (node.children ?? []).find((child) => child.path !== '' && child.children
      && (wanted === child.path || wanted.startsWith(child.path + '/')));
    if (!next) break;
    node = next;
  }
  map.show(node, (node.children ?? []).find((child) => child.path === wanted), true);
  $('map').scrollIntoView({ block: 'center' });
}

function findDistribution(name) {
  document.querySelector('input[name=view][value=distribution]').checked = true;
  mark($('search').value);
  const node = tree('distribution').children.find((child) => child.kind === 'distribution' && child.name === name);
  if (node) map.show(node, null, true);
  $('map').scrollIntoView({ block: 'center' });
}

function sizeColumns(whole) {
  const share = (part) => {
    const element = make('span', { class: 'share' });
    element.style.width = Math.max(1, 100 * part / whole) + '%';
    return element;
  };
  return [
    { title: 'In the slug', number: true, value: (row) => row.compressed, cell: (row) => [bytes(row.compressed), share(row.compressed)] },
    { title: 'Unpacked', number: true, optional: true, value: (row) => row.size, cell: (row) => bytes(row.size) },
  ];
}
const files = { title: 'Files', number: true, optional: true, value: (row) => row.files, cell: (row) => row.files.toLocaleString('en') };

const sumOf = (rows) => `${bytes(rows.reduce((sum, row) => sum + row.compressed, 0))} in the slug`;
const wayOf = (way) => way.join(' ← ');

/** Says why a distribution is there: the shortest way first. */
function why(row) {
  if (row.ways.length === 0) return [make('span', { class: 'small' }, 'nothing in the slug asks for it')];
  const shown = row.ways.slice(0, 3).map((way) => make('div', {}, way.length > 1 ? '← ' + wayOf(way.slice(1)) : ''));
  return row.ways.length > 3 ? [...shown, make('div', { class: 'small' }, `and ${row.ways.length - 3} more`)] : shown;
}

const distributionTable = () => new Table({
  rows: [...report.distributions], text: (row) => `${row.name} ${row.version} ${row.summary ?? ''} ${row.licences.join(' ')}`, sort: 2, sum: sumOf,
  columns: [
    { title: 'Distribution', value: (row) => row.name.toLowerCase(), path: true, cell: (row) => [
      make('button', { type: 'button', class: 'link', click: () => findDistribution(row.name) }, row.name),
      row.summary ? make('div', { class: 'small' }, row.summary) : null] },
    { title: 'Version', value: (row) => row.version, cell: (row) => row.version },
    ...sizeColumns(Math.max(1, ...report.distributions.map((row) => row.compressed))), files,
    { title: 'Why it is here', optional: true, path: true, value: (row) => (row.ways.length > 0 ? wayOf(row.ways[0]) : ''), cell: why },
    { title: 'Licence', optional: true, value: (row) => row.licences.join(', '), cell: (row) => row.licences.join(', ') || '—' },
  ],
});

const fileText = (row) => `${row.path} ${owners[row.owner]}`;
const fileTable = () => {
  const rows = entries.filter((entry) => entry.kind !== 'directory');
  return new Table({
    rows, text: fileText, sort: 1, sum: sumOf,
    columns: [
      { title: 'File', value: (row) => row.path, path: true, cell: (row) =>
        make('button', { type: 'button', class: 'link', click: () => find('directory', row.path) }, row.path) },
      ...sizeColumns(rows.reduce((most, row) => Math.max(most, row.compressed), 1)),
      { title: 'Of', optional: true, value: (row) => owners[row.owner], cell: (row) => owners[row.owner] },
    ],
  });
};

const duplicateTable = () => new Table({
  rows: [...report.duplicates], text: (row) => row.paths.join(' '), sort: 0,
  columns: [
    { title: 'Taken twice', number: true, value: (row) => row.wasted, cell: (row) => bytes(row.wasted) },
    { title: 'Each', number: true, value: (row) => row.size, cell: (row) => bytes(row.size) },
    { title: 'Copies', number: true, value: (row) => row.paths.length, cell: (row) => String(row.paths.length) },
    { title: 'Where', path: true, value: (row) => row.paths[0], cell: (row) => [
      ...row.paths.slice(0, 5).map((path) => make('div', {}, path)),
      row.paths.length > 5 ? make('div', { class: 'small' }, `and ${row.paths.length - 5} more`) : null] },
  ],
});

function couldGo() {
  if (report.could_go.length === 0) {
    return make('p', { class: 'note' }, 'Nothing in this slug is certain not to be needed.');
  }
  const table = new Table({
    rows: [...report.could_go], text: (row) => row.title, sort: 1,
    columns: [
      { title: 'What nothing in the slug needs', path: true, value: (row) => row.title, cell: (row) => row.title },
      ...sizeColumns(Math.max(1, ...report.could_go.map((row) => row.compressed))), files,
    ],
  });
  return make('div', {}, table.element, make('p', {}, 'To leave it out, add these lines to .slugignore.post:'),
    make('pre', { class: 'card lines', id: 'lines', tabindex: '0' }, report.could_go.flatMap((row) => row.lines).join('\n')));
}

function details() {
  const pairs = [
    ['Checksum', report.slug.checksum], ['Checksum of the tar file', report.slug.tar_checksum],
    ['Tar file', bytes(report.slug.uncompressed_size)], ['Layout', report.slug.layout === 'app' ? 'the app is in ./app' : 'the app is at the top'],
    ['Python', report.python ? `${report.python.version}, by ${report.python.read_from}` : 'none found'],
    ['Commit', report.manifest?.commit], ['Stack', report.manifest?.stack], ['Architecture', report.manifest?.arch],
    ...Object.entries(report.process_types).map(([name, command]) => [`Process type ${name}`, command]),
    ...report.layers.map((layer) => [`Layer ${layer.name}`,
      `${bytes(layer.compressed)} in the slug, ${bytes(layer.size)} unpacked, ${count(layer.files, 'file', 'files')}`]),
    ['Duplicates', report.totals.duplicates > 0
      ? `${count(report.totals.duplicates, 'content', 'contents')} several times, which takes ${bytes(report.totals.wasted)} more` : 'none'],
  ];
  return make('div', { class: 'card' }, make('dl', { class: 'pairs' },
    ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)])));
}

$('name').textContent = report.slug.file;
fillFacts([
  ['In the slug', `${bytes(report.slug.size)} of ${bytes(data.limit)}`], ['Unpacked', bytes(report.slug.content_size)],
  ['Files', report.slug.files.toLocaleString('en')], ['Distributions', report.distributions.length.toLocaleString('en')],
  ['Could go', report.could_go.length > 0 ? bytes(report.could_go.reduce((sum, row) => sum + row.compressed, 0)) : null],
  ['Python', report.python?.version ?? 'none'], ['Process types', Object.keys(report.process_types).join(', ') || 'none'],
]);
new Tabs([
  { id: 'distributions', title: 'Distributions', table: distributionTable() },
  { id: 'files', title: 'Files', table: fileTable() },
  { id: 'removable', title: 'Could go', element: couldGo() },
  { id: 'duplicates', title: 'Duplicates', table: duplicateTable() },
  { id: 'details', title: 'Details', element: details() },
], mark);
for (const input of document.querySelectorAll('input[name=view], input[name=measure]')) {
  input.addEventListener('change', () => {
    if (input.name === 'view') { mark($('search').value); map.show(tree(view())); }
    else map.show(map.node, map.active);
    say(`${input.nextElementSibling.textContent}: ${map.node.name}`);
  });
}
map.show(tree(view()));
