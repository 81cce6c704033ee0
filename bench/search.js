"use strict"

// ssb-db2 with ssb-search2 on a file of messages: reads {"path", "lines", "questions", "runs"} from
// its argument, answers one JSON object: seconds to load and to index, and for each question the
// milliseconds of each run, the CPU time of one and how many messages were found. Written as its documentation does it.

const fs = require("fs")
const zlib = require("zlib")
const readline = require("readline")
const SecretStack = require("secret-stack")
const { where, and, author, descending, paginate, toCallback } = require("ssb-db2/operators")
const keys = require("ssb-keys")

console.log = console.info = console.error

const asked = JSON.parse(process.argv[2])
const BATCH = 1000
const PAGE = 20

const ssb = SecretStack({ caps: require("ssb-caps") })
  .use(require("ssb-db2/core"))
  .use(require("ssb-classic"))
  .use(require("ssb-box"))
  .use(require("ssb-search2"))
  .call(null, { path: asked.path, keys: keys.generate() })

function call (method, ...args) {
  return new Promise((resolve, reject) => {
    ssb.db[method](...args, (error, value) => (error ? reject(error) : resolve(value)))
  })
}

function drained (index) {
  return new Promise((resolve) => (index ? ssb.db.onDrain(index, resolve) : ssb.db.onDrain(resolve)))
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

function ask (question) {
  const words = ssb.search2.operator(question.words)
  const what = question.author ? and(words, author(question.author)) : words
  return new Promise((resolve, reject) => {
    ssb.db.query(where(what), descending(), paginate(PAGE), toCallback((error, page) => {
      if (error) reject(error)
      else resolve(page.total)
    }))
  })
}

async function main () {
  const began = Date.now()
  await load()
  const loaded = Date.now()
  await drained("search2")
  const indexed = Date.now()
  const answers = {}
  for (const [name, question] of Object.entries(asked.questions)) {
    let found = 0
    const taken = []
    const before = process.cpuUsage()
    for (let run = 0; run < asked.runs; run++) {
      const start = process.hrtime.bigint()
      found = await ask(question)
      taken.push(Number(process.hrtime.bigint() - start) / 1e6)
    }
    const used = process.cpuUsage(before)
    answers[name] = { found, taken, cpu_ms: (used.user + used.system) / 1e3 / asked.runs }
  }
  const size = (folder) => fs.readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const place = `${folder}/${entry.name}`
    return sum + (entry.isDirectory() ? size(place) : fs.statSync(place).size)
  }, 0)
  process.stdout.write(JSON.stringify({
    load_s: (loaded - began) / 1000,
    index_s: (indexed - loaded) / 1000,
    index_bytes: size(`${asked.path}/db2/indexes/search2`),
    answers
  }) + "\n", () => process.exit(0))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
