"use strict"

// What the JavaScript peers do with a log of JSON lines: node ingest.js HOW FILE FOLDER. HOW is
//   addBatch     ssb-db2, each feed in batches
//   addOOOBatch  ssb-db2, batches of any feeds, in the order of the file
//   validate     ssb-validate2-rsjs-node alone, each feed in batches: nothing is kept
// The process ends when all is in the file of the log.

const fs = require("fs")

const [how, file, folder] = process.argv.slice(2)
const BATCH_MESSAGES = 1000

const values = fs.readFileSync(file, "utf8").split("\n").filter(Boolean)
  .map((line) => JSON.parse(line).value)

function cut (list) {
  const parts = []
  for (let at = 0; at < list.length; at += BATCH_MESSAGES) parts.push(list.slice(at, at + BATCH_MESSAGES))
  return parts
}

function byFeed () {
  const feeds = new Map()
  for (const value of values) {
    if (!feeds.has(value.author)) feeds.set(value.author, [])
    feeds.get(value.author).push(value)
  }
  return [...feeds.values()]
}

function call (object, method, ...args) {
  return new Promise((resolve, reject) => {
    object[method](...args, (error, value) => (error ? reject(error) : resolve(value)))
  })
}

async function validate () {
  const rust = require("ssb-validate2-rsjs-node")
  for (const feed of byFeed()) {
    let previous = null
    for (const batch of cut(feed)) {
      await call(rust, "validateBatch", null, batch, previous)
      previous = batch[batch.length - 1]
    }
  }
}

async function add () {
  const ssb = require("secret-stack")({ caps: require("ssb-caps") })
    .use(require("ssb-db2/core"))
    .use(require("ssb-classic"))
    .call(null, { path: folder, keys: require("ssb-keys").generate() })
  const batches = how === "addBatch" ? byFeed().flatMap(cut) : cut(values)
  for (const batch of batches) await call(ssb.db, how, batch)
  await new Promise((resolve) => ssb.db.getLog().onDrain(resolve))
  await new Promise((resolve) => ssb.close(true, resolve))
}

(how === "validate" ? validate() : add()).then(
  () => process.exit(0),
  (error) => {
    console.error(error, error.cause)
    process.exit(1)
  }
)
