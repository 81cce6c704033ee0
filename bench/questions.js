"use strict"

// The questions that ssb-db2 is asked, by the names that queries.py gives them.

const operators = require("ssb-db2/operators")
const mentions = require("ssb-db2/operators/full-mentions")

const { and, author, descending, hasRoot, isPublic, isRoot } = operators
const { paginate, toCallback, type, votesFor, where } = operators

// Name to what is asked, and how many messages of it. {own, author, root, liked}: about whom and what.
function questions (about) {
  return {
    "the latest 10 posts": [and(type("post"), isPublic()), 10],
    "the roots of 12 threads": [and(type("post"), isRoot(), isPublic()), 12],
    "the replies of a thread": [hasRoot(about.root), 1000],
    "the latest 50 of an author": [author(about.author), 50],
    "the latest 50 of a type": [type("contact"), 50],
    "the latest 50 posts of an author": [and(author(about.author), type("post")), 50],
    "the latest 50 mentions": [mentions(about.own), 50],
    "who likes a message": [votesFor(about.liked), 1000]
  }
}

function ask (ssb, [what, limit]) {
  return new Promise((resolve, reject) => {
    ssb.db.query(where(what), descending(), paginate(limit), toCallback((error, page) => {
      if (error) reject(error)
      else resolve(page.results.length)
    }))
  })
}

module.exports = { questions, ask }
