"use strict"

// A JavaScript peer that does what it is told: one JSON request a line on standard input,
// {"id", "method", "args"}; one JSON answer a line on standard output, {"id", "value"} or
// {"id", "error"}. Lines without id are events: {"event": "ready" | "seen", ...}. Whatever the
// packages print goes to standard error. The peer ends when its standard input does.

const fs = require("fs")
const path = require("path")
const readline = require("readline")
const zlib = require("zlib")
const pull = require("pull-stream")
const caps = require("ssb-caps")
const keys = require("ssb-keys")

console.log = console.info = console.error

const settings = JSON.parse(process.argv[2])

function tell (line) {
  process.stdout.write(JSON.stringify(line) + "\n")
}

// The configuration that both kinds of peer share. No peer looks for others by itself, unless it
// was given a host on a network made for it.
function configure () {
  fs.mkdirSync(settings.path, { recursive: true })
  const sign = settings.hmacKey ? { sign: settings.hmacKey } : {}
  return {
    path: settings.path,
    keys: keys.loadOrCreateSync(path.join(settings.path, "secret")),
    caps: { shs: settings.networkKey || caps.shs, ...sign },
    connections: {
      incoming: {
        net: [{
          scope: settings.host ? "private" : "device",
          transform: "shs",
          host: settings.host || "127.0.0.1",
          port: settings.port
        }]
      },
      outgoing: { net: [{ transform: "shs" }] }
    },
    friends: { hops: settings.hops },
    replicate: { hops: settings.hops },
    conn: { autostart: false, populatePubs: false },
    gossip: {
      pub: false, friends: false, seed: false, local: false, global: false, autoPopulate: false
    },
    blobs: { sympathy: settings.sympathy || 0 },
    // No peer may think another dead because the machine is busy.
    timers: { inactivity: -1, handshake: 30e3 }
  }
}

function call (object, method, ...args) {
  return new Promise((resolve, reject) => {
    object[method](...args, (error, value) => (error ? reject(error) : resolve(value)))
  })
}

function collect (source) {
  return new Promise((resolve, reject) => {
    pull(source, pull.collect((error, items) => (error ? reject(error) : resolve(items))))
  })
}

// What a person would read: the error and whatever caused it.
function words (error) {
  const cause = error.cause ? "\n" + words(error.cause) : ""
  return (error.message || String(error)) + cause
}

// What this peer holds, feed to sequence, kept up to date by every message that is added.
class Clock {
  constructor () {
    this.feeds = {}
    this.waiting = []
    this.isWatched = false
  }

  added (feed, sequence) {
    if (!(this.feeds[feed] >= sequence)) this.feeds[feed] = sequence
    if (this.isWatched) tell({ event: "seen", feed, sequence })
    this.waiting = this.waiting.filter((wait) => {
      if (feed in wait.missing && wait.missing[feed] <= sequence) delete wait.missing[feed]
      if (Object.keys(wait.missing).length > 0) return true
      wait.resolve(process.hrtime.bigint().toString())
      return false
    })
  }

  // Resolve with the time at which every feed of `wanted` is held that far.
  reached (wanted) {
    const missing = {}
    for (const feed in wanted) {
      if (!(this.feeds[feed] >= wanted[feed])) missing[feed] = wanted[feed]
    }
    if (Object.keys(missing).length === 0) return process.hrtime.bigint().toString()
    return new Promise((resolve) => this.waiting.push({ missing, resolve }))
  }
}

// Blobs travel as base64. A wanted blob may come at any time later: `blob` tells what is here.
function blobMethods (ssb) {
  const bytes = async (source) => Buffer.concat(await collect(source)).toString("base64")
  return {
    addBlob: (base64) => new Promise((resolve, reject) => {
      const done = (error, id) => (error ? reject(error) : resolve(id))
      pull(pull.once(Buffer.from(base64, "base64")), ssb.blobs.add(done))
    }),
    pushBlob: (id) => call(ssb.blobs, "push", id).then(() => id),
    wantBlob: (id) => { ssb.blobs.want(id, () => {}) },
    hasBlob: (id) => call(ssb.blobs, "has", id),
    blob: (id) => bytes(ssb.blobs.get(id)),
    // What a connected peer answers to a call: an async one's value, or the bytes of a source.
    askForBlob: async (feed, method, argument) => {
      const { blobs } = ssb.peers[feed][0]
      if (method === "has") return call(blobs, method, argument)
      return bytes(blobs[method](argument))
    }
  }
}

// The methods that need to know nothing about the kind of peer.
function commonMethods (ssb, clock, publish) {
  return {
    whoami: () => ssb.id,
    publish: async (content) => (await publish(content)).key,
    publishMany: async (contents) => {
      let last
      for (const content of contents) last = await publish(content)
      return last.value.sequence
    },
    follow: async (feed) => (await publish({ type: "contact", contact: feed, following: true })).key,
    unfollow: async (feed) => (await publish({ type: "contact", contact: feed, following: false })).key,
    block: async (feed) => (await publish({ type: "contact", contact: feed, blocking: true })).key,
    ...blobMethods(ssb),
    disconnect: async () => {
      const connections = Object.values(ssb.peers).flat()
      for (const connection of connections) connection.close(true)
      return connections.length
    },
    peers: () => Object.keys(ssb.peers).filter((feed) => ssb.peers[feed].length > 0),
    clock: () => clock.feeds,
    reached: (wanted) => clock.reached(wanted),
    watch: (isWatched) => { clock.isWatched = isWatched },
    // [key, exact text] of each message of a feed, in order, as it would go to another peer.
    messages: async (feed) => {
      const items = await collect(ssb.createHistoryStream({ id: feed, live: false }))
      // ssb-db2 gives messages of one millisecond in any order.
      items.sort((first, second) => first.value.sequence - second.value.sequence)
      return items.map(({ key, value }) => [key, JSON.stringify(value)])
    },
    count: async () => (await collect(ssb.createLogStream({ keys: true, values: false }))).length
  }
}

// The values of a file of JSON lines ({key, value, timestamp} or bare values; gzip if .gz).
function readValues (file) {
  const raw = fs.readFileSync(file)
  const text = (file.endsWith(".gz") ? zlib.gunzipSync(raw) : raw).toString("utf8")
  return text.split("\n").filter(Boolean).map((line) => {
    const message = JSON.parse(line)
    return message.value || message
  })
}

// Do what standard input says until it ends.
function serve (ssb, methods) {
  methods.stop = async () => {
    await new Promise((resolve) => ssb.close(true, resolve))
    setTimeout(() => process.exit(0), 50)
  }
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
  lines.on("line", async (line) => {
    const { id, method, args } = JSON.parse(line)
    try {
      if (!methods[method]) throw new Error(`no method ${method}`)
      const value = await methods[method](...args)
      tell({ id, value: value === undefined ? null : value })
    } catch (error) {
      tell({ id, error: words(error) })
    }
  })
  lines.on("close", () => process.exit(0))
  tell({ event: "ready", feed: ssb.id, address: ssb.getAddress(settings.host ? "private" : "device") })
}

module.exports = { Clock, call, collect, commonMethods, configure, readValues, serve, settings }
