
/** Cuts a rectangle into pieces by weight, as square as can be (Bruls, Huizing, van Wijk: Squarified Treemaps). */
function squarify(items, x, y, width, height) {
  const total = items.reduce((sum, item) => sum + item.weight, 0);
  const placed = [];
  if (total <= 0 || width <= 0 || height <= 0) return placed;
  const scale = width * height / total;
  let rest = items, left = { x, y, width, height };
  const worst = (sum, least, most, side) => Math.max(side * side * most / (sum * sum), sum * sum / (side * side * least));
  while (rest.length > 0) {
    const side = Math.min(left.width, left.height);
    let sum = 0, length = 0, most = rest[0].weight * scale, ratio = Infinity;
    while (length < rest.length) {
      const area = rest[length].weight * scale;
      const next = worst(sum + area, area, most, side);
      if (next > ratio) break;
      ratio = next; sum += area; length++;
    }
    const thick = side > 0 ? sum / side : 0;
    let at = 0;
    for (const item of rest.slice(0, length)) {
      const long = thick > 0 ? item.weight * scale / thick : 0;
      placed.push(left.width >= left.height
        ? { item, x: left.x, y: left.y + at, width: thick, height: long }
        : { item, x: left.x + at, y: left.y, width: long, height: thick });
      at += long;
    }
    left = left.width >= left.height
      ? { x: left.x + thick, y: left.y, width: left.width - thick, height: left.height }
      : { x: left.x, y: left.y + thick, width: left.width, height: left.height - thick };
    rest = rest.slice(length);
  }
  return placed;
}

/** A map that is walked by mouse and by keys. A node: { name, path, kind, size, compressed, files, children, hue, parent }. */
class Treemap {
  constructor(element, { measure, describe, moved, amount = (node) => bytes(node[measure()]) }) {
    Object.assign(this, { element, measure, describe, moved, amount });
    element.addEventListener('keydown', (event) => this.key(event));
    element.addEventListener('mouseover', (event) => {
      const over = event.target.closest('.inner, .cell');
      if (over) this.describe(over.node);
    });
    new ResizeObserver(() => { if (this.node) this.draw(); }).observe(element);
  }

  show(node, from = null, focus = false) {
    this.node = node;
    this.active = from;
    this.draw();
    this.moved(node);
    if (focus) this.buttons.find((button) => button.tabIndex === 0)?.focus();
  }

  /** Marks the nodes in which something is that counts; nothing is marked without a question. */
  mark(root, counts) {
    const visit = (node) => {
      node.hit = counts !== null && (node.children ? node.children.map(visit).some(Boolean) : counts(node));
      return node.hit;
    };
    visit(root);
    this.element.classList.toggle('searching', counts !== null);
    if (this.node) this.draw();
  }

  into(node) {
    if (!node.children || node.children.length === 0) { this.describe(node); return; }
    this.show(node, null, true);
    say(`${node.name}: ${this.amount(node)}, ${count(node.children.length, 'entry', 'entries')}`);
  }

  out() {
    if (!this.node.parent) { say('This is all of it'); return; }
    const from = this.node;
    this.show(this.node.parent, from, true);
    say(`Back in ${this.node.name}`);
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) { event.preventDefault(); this.move(step); }
    else if (event.key === 'Escape' || event.key === 'Backspace') { event.preventDefault(); this.out(); }
    else if (event.key === 'Home' || event.key === 'End') {
      event.preventDefault();
      this.activate(event.key === 'Home' ? this.buttons[0] : this.buttons[this.buttons.length - 1]);
    }
  }

  /** Goes to the nearest cell beyond an edge of the current one, those beside it first. */
  move([dx, dy]) {
    const from = document.activeElement.box;
    if (!from) return;
    const [at, long, side, wide] = dx !== 0 ? ['x', 'width', 'y', 'height'] : ['y', 'height', 'x', 'width'];
    const end = (box, start, length) => box[start] + box[length];
    let best = null, least = Infinity;
    for (const button of this.buttons) {
      const box = button.box;
      const beyond = dx + dy > 0 ? box[at] - end(from, at, long) : from[at] - end(box, at, long);
      if (button.box === from || beyond < -1) continue;
      const beside = Math.max(0, box[side] - end(from, side, wide), from[side] - end(box, side, wide));
      const skew = Math.abs(box[side] + box[wide] / 2 - from[side] - from[wide] / 2);
      const distance = beyond + 3 * beside + skew / 1000;
      if (distance < least) { least = distance; best = button; }
    }
    if (best) this.activate(best);
  }

  activate(button) {
    this.buttons.forEach((other) => { other.tabIndex = other === button ? 0 : -1; });
    this.active = button.node;
    button.focus();
  }

  draw() {
    const had = this.element.contains(document.activeElement);
    const { clientWidth: width, clientHeight: height } = this.element;
    const placed = squarify(this.weighed(this.node, width * height, 30), 0, 0, width, height);
    this.todo = [];
    this.buttons = placed.map((box) => this.cell(box));
    this.fill();
    if (this.buttons.length === 0) {
      this.element.replaceChildren(make('p', { class: 'note' }, 'There is nothing in it.'));
      return;
    }
    const active = this.buttons.find((button) => button.node === this.active) ?? this.buttons[0];
    this.buttons.forEach((button) => { button.tabIndex = button === active ? 0 : -1; });
    this.element.replaceChildren(...this.buttons);
    if (had) active.focus();
  }

  /** The children of a node by size; those too small to be seen are one. */
  weighed(node, area, least) {
    const measure = this.measure();
    const all = node.children.map((item) => ({ node: item, weight: item[measure] }))
      .filter((item) => item.weight > 0).sort((a, b) => b.weight - a.weight);
    const total = all.reduce((sum, item) => sum + item.weight, 0);
    const seen = all.filter((item, index) => index < 400 && item.weight / total * area >= least);
    const rest = all.slice(seen.length);
    if (rest.length > 0) {
      const sum = (key) => rest.reduce((total, item) => total + item.node[key], 0);
      const others = {
        name: `${rest.length} smaller`, path: node.path, kind: 'rest', size: sum('size'), compressed: sum('compressed'),
        files: sum('files'), hit: rest.some((item) => item.node.hit), children: rest.length < all.length ? rest.map((item) => item.node) : null, parent: node, hue: node.hue,
      };
      seen.push({ node: others, weight: sum(measure) });
      seen.sort((a, b) => b.weight - a.weight);
    }
    return seen;
  }

  cell(box) {
    const { node } = box.item;
    const inside = node.children && node.children.length > 0;
    const size = this.amount(node);
    const share = percent(node[this.measure()], this.node[this.measure()]);
    const what = node.kind === 'rest' ? '' : ', ' + node.kind;
    const button = make('button', {
      type: 'button', class: (inside ? 'cell' : 'cell leaf') + (node.hit ? ' hit' : ''),
      'aria-label': `${node.name}${what}, ${size}, ${share}${inside ? ', ' + count(node.files, 'file', 'files') : ''}`,
      click: () => this.into(node),
      focus: () => this.describe(node),
    });
    button.node = node;
    button.box = box;
    place(button, box);
    paint(button, node);
    const where = placeOfSize(box, node.name, size);
    if (box.width > 34 && box.height > 18) {
      button.append(make('span', { class: 'label', 'aria-hidden': 'true' }, make('b', {}, node.name),
        where ? make('i', { class: where === 'under' ? 'under' : null }, size) : null));
    }
    if (inside) this.todo.push({ element: button, node, width: box.width, height: box.height, top: where === 'under' ? 38 : 21 });
    return button;
  }

  /** Draws what is inside of the cells, and inside of that, as long as it can be seen: level by level. */
  fill() {
    for (let drawn = 0; this.todo.length > 0 && drawn < 2000;) {
      const { element, node, width, height, top } = this.todo.shift();
      const [wide, high] = [width - 8, height - top - 4];
      if (wide < 24 || high < 12) continue;
      for (const { item, ...box } of squarify(this.weighed(node, wide * high, 24), 4, top, wide, high)) {
        const inner = make('span', { class: item.node.hit ? 'inner hit' : 'inner', 'aria-hidden': 'true' });
        place(inner, box);
        paint(inner, item.node);
        inner.node = item.node;
        if (box.width > 44 && box.height > (item.node.children ? 34 : 16)) inner.append(make('span', { class: 'title' }, item.node.name));
        if (item.node.children) {
          this.todo.push({ element: inner, node: item.node, width: box.width, height: box.height, top: box.height > 34 ? 17 : 4 });
        }
        element.append(inner);
        drawn++;
      }
    }
  }
}

/** Tells where the size has room: beside the name, under it, or nowhere. A number is shown whole or not at all. */
function placeOfSize({ width, height }, name, size) {
  const letter = 7.6, room = width - 14;
  if ((name.length + size.length + 1) * letter <= room) return 'beside';
  return height > 40 && size.length * letter <= room ? 'under' : null;
}

function place(element, { x, y, width, height }) {
  Object.assign(element.style, { left: x + 'px', top: y + 'px', width: width + 'px', height: height + 'px' });
}

function paint(element, { hue }) {
  element.style.setProperty('--hue', hue ?? 225);
  element.style.setProperty('--sat', hue == null ? '10%' : 'var(--cell-s)');
}

/** Shows where in the tree a map is: a way back for each step. */
function showPath(map, node) {
  const path = [];
  for (let at = node; at; at = at.parent) path.unshift(at);
  $('crumbs').replaceChildren(...path.map((at) => make('li', {}, at === node
    ? make('span', { 'aria-current': 'page' }, at.name)
    : make('button', { type: 'button', click: () => map.show(at, path[path.indexOf(at) + 1], true) }, at.name))));
}
