//! A small HTTP router before the web dynos of one machine, as Heroku's is before its own: it spreads requests,
//! passes WebSockets on, and names what goes wrong by Heroku's codes.
