'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);

/** Makes an element: its attributes (functions are listeners), then its children. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Writes a number of bytes as Heroku does: 57.9M. */
function bytes(number) {
  const units = ['B', 'K', 'M', 'G'];
  let amount = Math.abs(number), unit = 0;
  while (unit < 3 && Math.round(amount * 10) >= 10240) { amount /= 1024; unit++; }
  const sign = number < 0 ? '−' : '';
  return sign + String(Math.round(amount * 10) / 10) + units[unit];
}
const signed = (number) => (number > 0 ? '+' : '') + bytes(number);
const percent = (part, whole) => (whole > 0 ? (part / whole < .001 ? '<0.1' : (100 * part / whole).toFixed(1)) : '0') + '%';
const count = (number, one, many) => number.toLocaleString('en') + ' ' + (number === 1 ? one : many);
const say = (text) => { $('said').textContent = text; };

function fillFacts(facts) {
  for (const [name, value] of facts) {
    if (value) $('facts').append(make('div', {}, make('dt', {}, name), make('dd', {}, value)));
  }
}

/** Returns whether a text has all of the words that are searched for. */
function matcher(needle) {
  const words = needle.trim().toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? null : (text) => { const lower = text.toLowerCase(); return words.every((word) => lower.includes(word)); };
}

/** A table that is searched and sorted; `sum` says what the found rows take together. A column: { title, value(row), cell(row), number, optional }. */
class Table {
  constructor({ columns, rows, text, sort, descending = true, sum = null }) {
    Object.assign(this, { columns, rows, text, sort, descending, sum, needle: '', shown: Table.PAGE });
    this.body = make('tbody');
    this.head = make('tr');
    this.status = make('span');
    this.button = make('button', { type: 'button', click: () => { this.shown *= 5; this.draw(); } }, 'Show more');
    this.element = make('div', {},
      make('div', { class: 'card' }, make('table', {}, make('thead', {}, this.head), this.body)),
      make('p', { class: 'below' }, this.status, this.button));
    this.columns.forEach((column, index) => this.head.append(make('th',
      { scope: 'col', class: Table.classes(column) },
      make('button', { type: 'button', click: () => this.sortBy(index) }, column.title))));
    this.order();
    this.draw();
  }

  static classes({ number, optional, path }) {
    return [number && 'number', optional && 'optional', path && 'path'].filter(Boolean).join(' ') || null;
  }

  sortBy(index) {
    this.descending = this.sort === index ? !this.descending : Boolean(this.columns[index].number);
    this.sort = index;
    this.order();
    this.draw();
    say(`Sorted by ${this.columns[index].title}, ${this.descending ? 'descending' : 'ascending'}`);
  }

  order() {
    const { value } = this.columns[this.sort];
    const sign = this.descending ? -1 : 1;
    const keyed = this.rows.map((row) => [value(row), row]);
    keyed.sort(([a], [b]) => sign * (typeof a === 'number' ? a - b : String(a).localeCompare(String(b), 'en')));
    this.rows = keyed.map(([, row]) => row);
  }

  search(text) {
    this.needle = text.trim().toLowerCase();
    this.shown = Table.PAGE;
    this.draw();
    say(this.status.textContent);
  }

  found(needle) {
    const matches = matcher(needle);
    return matches ? this.rows.filter((row) => matches(this.text(row))) : this.rows;
  }

  draw() {
    const found = this.found(this.needle);
    [...this.head.children].forEach((cell, index) => {
      if (index === this.sort) cell.setAttribute('aria-sort', this.descending ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    });
    this.body.replaceChildren(...found.slice(0, this.shown).map((row) => make('tr', {},
      ...this.columns.map((column) => make('td', { class: Table.classes(column) }, ...[column.cell(row)].flat())))));
    const shown = Math.min(this.shown, found.length);
    const total = this.needle && this.sum && found.length > 0 ? `, ${this.sum(found)}` : '';
    this.status.textContent = found.length === 0 ? (this.needle ? 'No matches' : 'Nothing')
      : shown < found.length ? `${shown.toLocaleString('en')} of ${found.length.toLocaleString('en')}`
        : count(found.length, 'row', 'rows');
    this.status.textContent += total;
    this.button.hidden = shown >= found.length;
  }
}
Table.PAGE = 100;

/** Tabs as WAI-ARIA wants them; each is { id, title, table } or { id, title, element }. */
class Tabs {
  constructor(tabs, searched = () => {}) {
    this.tabs = tabs;
    this.searched = searched;
    this.buttons = tabs.map((tab, index) => make('button', {
      type: 'button', role: 'tab', id: 'tab-' + tab.id, 'aria-controls': 'panel',
      click: () => this.select(index),
      keydown: (event) => this.key(event, index),
    }, tab.title));
    $('tabs').append(...this.buttons);
    $('search').addEventListener('input', () => this.search());
    $('search').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') { $('search').value = ''; this.search(); }
    });
    document.addEventListener('keydown', (event) => {
      const typing = event.target.matches('input[type=search], textarea');
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        $('search').focus();
        $('search').select();
      }
    });
    this.select(0);
  }

  /** Searches the list that is shown, and tells how many rows of the others match. */
  search() {
    const needle = $('search').value;
    this.current.table?.search(needle);
    this.tabs.forEach(({ table, title }, index) => {
      const found = table && matcher(needle) ? ` (${table.found(needle).length.toLocaleString('en')})` : '';
      this.buttons[index].textContent = title + found;
    });
    this.searched(needle);
  }

  key(event, index) {
    const last = this.tabs.length - 1;
    const next = { ArrowRight: index === last ? 0 : index + 1, ArrowLeft: index === 0 ? last : index - 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.select(next);
    this.buttons[next].focus();
  }

  select(index) {
    this.current = this.tabs[index];
    this.buttons.forEach((button, number) => {
      button.setAttribute('aria-selected', String(number === index));
      button.tabIndex = number === index ? 0 : -1;
    });
    const { table, element, id } = this.current;
    $('panel').setAttribute('aria-labelledby', 'tab-' + id);
    $('panel').replaceChildren(table ? table.element : element);
    $('search').parentElement.hidden = !table;
    if (table && table.needle !== $('search').value.trim().toLowerCase()) table.search($('search').value);
  }
}
