"use strict"

// A peer of the present JavaScript stack: secret-stack 6, ssb-db2, ssb-ebt, ssb-conn. {"blobs": false}
// leaves ssb-blobs out, as rooms and bots do.

const pull = require("pull-stream")
const SecretStack = require("secret-stack")
const { Clock, call, commonMethods, configure, readValues, serve, settings } = require("./control")

const BATCH_MESSAGES = 500

const config = configure()
const stack = SecretStack({ caps: config.caps })
  .use(require("ssb-db2/core"))
  .use(require("ssb-classic"))
  .use(require("ssb-box"))
  .use(require("ssb-db2/compat/publish"))
  .use(require("ssb-db2/compat/post"))
  .use(require("ssb-db2/compat/db"))
  .use(require("ssb-db2/compat/ebt"))
  .use(require("ssb-db2/compat/history-stream"))
  .use(require("ssb-db2/compat/log-stream"))
  .use(require("ssb-db2/compat/feedstate"))
  .use(require("ssb-about-self"))
  .use(require("ssb-db2/full-mentions"))
  .use(require("ssb-friends"))
  .use(require("ssb-ebt"))
  .use(require("ssb-replication-scheduler"))
  .use(require("ssb-conn"))
if (settings.host) stack.use(require("ssb-lan"))
if (settings.blobs !== false) stack.use(require("ssb-blobs"))
const ssb = stack(config)

const clock = new Clock()
const discovered = []
if (settings.host) {
  pull(ssb.lan.discoveredPeers(), pull.drain((peer) => discovered.push(peer)))
  ssb.lan.start()
}

function publish (content) {
  return call(ssb.db, "create", { content, keys: config.keys })
}

// Messages of a file, each feed in batches, in the order of the file.
async function load (file) {
  const values = readValues(file)
  for (let start = 0; start < values.length; start += BATCH_MESSAGES) {
    const pending = new Map()
    for (const value of values.slice(start, start + BATCH_MESSAGES)) {
      if (!pending.has(value.author)) pending.set(value.author, [])
      pending.get(value.author).push(value)
    }
    for (const batch of pending.values()) await call(ssb.db, "addBatch", batch)
  }
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  return values.length
}

// Ask each question of a module once, as bench/questions.js has them: many an index is made then.
async function askAll (file, about) {
  const { ask, questions } = require(file)
  for (const question of Object.values(questions(about))) await ask(ssb, question)
}

ssb.getVectorClock((error, feeds) => {
  if (error) throw error
  Object.assign(clock.feeds, feeds)
  ssb.db.onMsgAdded(({ kvt }) => clock.added(kvt.value.author, kvt.value.sequence))
  serve(ssb, {
    ...commonMethods(ssb, clock, publish),
    load,
    askAll,
    discovered: () => discovered,
    connect: async (address) => (await call(ssb.conn, "connect", address, {})).id
  })
})
