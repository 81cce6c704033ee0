"use strict"

// ssb-db2 on a file of messages: reads {"path", "lines", "own", "author", "root", "liked", "runs"}
// from its argument, answers one JSON object: seconds to load, seconds in which the first of each
// question was answered (indexes are made then), and for each question the milliseconds of each
// run.

const operators = require("ssb-db2/operators")
const mentions = require("ssb-db2/operators/full-mentions")
const asking = require("./asking")

const asked = JSON.parse(process.argv[2])
const ssb = asking.open(asked.path, "ssb-db2/full-mentions")

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

function ask ([what, limit]) {
  return new Promise((resolve, reject) => {
    ssb.db.query(where(what), descending(), paginate(limit), toCallback((error, page) => {
      if (error) reject(error)
      else resolve(page.results.length)
    }))
  })
}

asking.tell(async () => {
  const began = Date.now()
  await asking.load(ssb, asked.lines)
  const loaded = Date.now()
  const before = process.cpuUsage()
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  for (const question of Object.values(QUESTIONS)) await ask(question)
  const used = process.cpuUsage(before)
  const indexed = Date.now()
  const answers = {}
  for (const [name, question] of Object.entries(QUESTIONS)) {
    answers[name] = await asking.ask(() => ask(question), asked.runs)
  }
  return {
    load_s: (loaded - began) / 1000,
    index_s: (indexed - loaded) / 1000,
    index_cpu_s: (used.user + used.system) / 1e6,
    memory_mib: process.resourceUsage().maxRSS / 1024,
    answers
  }
})
