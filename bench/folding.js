"use strict"

// ssb-db2's indexes made from a log that is there, as a fresh process makes them that was never
// asked before. Reads its argument, one JSON object:
//   {"path", "lines"}              take a file of messages in, and end
//   {"path", "questions", "words"} throw all indexes away, open the log, ask each question once, and
//                                  search for the words if there are any; answers one JSON object:
//                                  what that took, and the bytes of the indexes

const fs = require("fs")
const asking = require("./asking")
const { ask, questions } = require("./questions")

const asked = JSON.parse(process.argv[2])
const FOLDERS = ["indexes", "jit"].map((name) => `${asked.path}/db2/${name}`)

function size (folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const place = `${folder}/${entry.name}`
    return sum + (entry.isDirectory() ? size(place) : fs.statSync(place).size)
  }, 0)
}

async function load () {
  const ssb = asking.open(asked)
  await asking.load(ssb, asked.lines)
  await new Promise((resolve) => ssb.close(true, resolve))
  return {}
}

async function fold () {
  for (const folder of FOLDERS) fs.rmSync(folder, { recursive: true, force: true })
  const before = process.cpuUsage()
  const began = Date.now()
  const plugins = asked.words ? ["ssb-search2"] : []
  const ssb = asking.open(asked, "ssb-db2/full-mentions", ...plugins)
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  let found = 0
  for (const question of Object.values(questions(asked.questions))) found += await ask(ssb, question)
  if (asked.words) found += await ask(ssb, [ssb.search2.operator(asked.words), 20])
  const used = process.cpuUsage(before)
  const seconds = (Date.now() - began) / 1000
  const memory_mib = process.resourceUsage().maxRSS / 1024
  await new Promise((resolve) => ssb.close(true, resolve))
  return {
    found,
    seconds,
    cpu_s: (used.user + used.system) / 1e6,
    memory_mib,
    bytes: FOLDERS.filter((folder) => fs.existsSync(folder)).reduce((sum, folder) => sum + size(folder), 0)
  }
}

asking.tell(asked.lines ? load : fold)
