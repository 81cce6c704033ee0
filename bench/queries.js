"use strict"

// ssb-db2 on a file of messages: reads {"path", "lines", "own", "author", "root", "liked", "runs"}
// from its argument, answers one JSON object: seconds to load, seconds in which the first of each
// question was answered (indexes are made then), and for each question the milliseconds of each
// run. Written as its documentation does it.

const fs = require("fs")
const zlib = require("zlib")
const readline = require("readline")
const SecretStack = require("secret-stack")
const operators = require("ssb-db2/operators")
const mentions = require("ssb-db2/operators/full-mentions")
const keys = require("ssb-keys")

console.log = console.info = console.error

const asked = JSON.parse(process.argv[2])
const BATCH = 1000

const ssb = SecretStack({ caps: require("ssb-caps") })
  .use(require("ssb-db2/core"))
  .use(require("ssb-classic"))
  .use(require("ssb-box"))
  .use(require("ssb-db2/full-mentions"))
  .call(null, { path: asked.path, keys: keys.generate() })

const { and, author, descending, hasRoot, isPublic, isRoot } = operators
const { paginate, toCallback, type, votesFor, where } = operators

const QUESTIONS = {
  "the latest 10 posts": [and(type("post"), isPublic()), 10],
  "a page of 12 threads": [and(type("post"), isRoot(), isPublic()), 12],
  "a thread": [hasRoot(asked.root), 1000],
  "the latest 50 of an author": [author(asked.author), 50],
  "the latest 50 of a type": [type("contact"), 50],
  "the latest 50 posts of an author": [and(author(asked.author), type("post")), 50],
  "the latest 50 mentions": [mentions(asked.own), 50],
  "who likes a message": [votesFor(asked.liked), 1000]
}

function call (method, ...args) {
  return new Promise((resolve, reject) => {
    ssb.db[method](...args, (error, value) => (error ? reject(error) : resolve(value)))
  })
}

async function load () {
  const file = fs.createReadStream(asked.lines)
  const input = asked.lines.endsWith(".gz") ? file.pipe(zlib.createGunzip()) : file
  let batch = []
  for await (const line of readline.createInterface({ input })) {
    batch.push(JSON.parse(line).value)
    if (batch.length === BATCH) {
      await call("addOOOBatch", batch)
      batch = []
    }
  }
  if (batch.length) await call("addOOOBatch", batch)
  await new Promise((resolve) => ssb.db.getLog().onDrain(resolve))
}

function ask ([what, limit]) {
  return new Promise((resolve, reject) => {
    ssb.db.query(where(what), descending(), paginate(limit), toCallback((error, page) => {
      if (error) reject(error)
      else resolve(page.results.length)
    }))
  })
}

async function main () {
  const began = Date.now()
  await load()
  const loaded = Date.now()
  const before = process.cpuUsage()
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  for (const question of Object.values(QUESTIONS)) await ask(question)
  const used = process.cpuUsage(before)
  const indexed = Date.now()
  const answers = {}
  for (const [name, question] of Object.entries(QUESTIONS)) {
    const taken = []
    let found = 0
    for (let run = 0; run < asked.runs; run++) {
      const start = process.hrtime.bigint()
      found = await ask(question)
      taken.push(Number(process.hrtime.bigint() - start) / 1e6)
    }
    answers[name] = { found, taken }
  }
  const told = {
    load_s: (loaded - began) / 1000,
    index_s: (indexed - loaded) / 1000,
    index_cpu_s: (used.user + used.system) / 1e6,
    memory_mib: process.resourceUsage().maxRSS / 1024,
    answers
  }
  process.stdout.write(JSON.stringify(told) + "\n", () => process.exit(0))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
