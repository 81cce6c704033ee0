"use strict"

// What the benches that ask ssb-db2 questions share: a peer with plugins, a file of messages taken
// in, a question asked again and again. Written as its documentation does it.

const fs = require("fs")
const zlib = require("zlib")
const readline = require("readline")

const BATCH = 1000

// A peer of its own, or that of the secret's file, in the folder asked.path.
function open (asked, ...plugins) {
  const ssbKeys = require("ssb-keys")
  const stack = require("secret-stack")({ caps: require("ssb-caps") })
  for (const plugin of ["ssb-db2/core", "ssb-classic", "ssb-box", ...plugins]) stack.use(require(plugin))
  const keys = asked.secret ? ssbKeys.loadSync(asked.secret) : ssbKeys.generate()
  return stack.call(null, { path: asked.path, keys })
}

async function load (ssb, lines) {
  const file = fs.createReadStream(lines)
  const input = lines.endsWith(".gz") ? file.pipe(zlib.createGunzip()) : file
  const add = (batch) => new Promise((resolve, reject) => {
    ssb.db.addOOOBatch(batch, (error) => (error ? reject(error) : resolve()))
  })
  let batch = []
  for await (const line of readline.createInterface({ input })) {
    batch.push(JSON.parse(line).value)
    if (batch.length === BATCH) {
      await add(batch)
      batch = []
    }
  }
  if (batch.length) await add(batch)
  await new Promise((resolve) => ssb.db.getLog().onDrain(resolve))
}

// The milliseconds of each run of a question, the CPU time of one, and what was found.
async function ask (question, runs) {
  const taken = []
  let found = 0
  const before = process.cpuUsage()
  for (let run = 0; run < runs; run++) {
    const start = process.hrtime.bigint()
    found = await question()
    taken.push(Number(process.hrtime.bigint() - start) / 1e6)
  }
  const used = process.cpuUsage(before)
  return { found, taken, cpu_ms: (used.user + used.system) / 1e3 / runs }
}

// Runs the whole, writes what it returns as one JSON object, and ends the process.
function tell (main) {
  console.log = console.info = console.error
  main().then(
    (told) => process.stdout.write(JSON.stringify(told) + "\n", () => process.exit(0)),
    (error) => {
      console.error(error)
      process.exit(1)
    }
  )
}

module.exports = { open, load, ask, tell }
