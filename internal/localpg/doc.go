// Package localpg runs the private PostgreSQL server that is used when no DATABASE_URL is given. It starts the
// server on demand from installed programs, shares it among all processes that use the same directory, stops it
// when the last of them leaves, and recovers it after a kill. The server listens on a Unix socket only. The
// package never opens or probes a TCP port, never touches a server that it did not start, and never changes the
// owner or mode of anything that it did not create.
//
// # Directory
//
// Config.Dir holds four lock files, server.log and pg, the data directory. The socket is in pg or, if that path
// is too long for a socket, in a private directory below /tmp.
//
// PostgreSQL refuses to run as root. If we run as root, the server runs as the owner of the data: initially
// user postgres, or nobody if there is no such user. If that user cannot enter a parent of Config.Dir (a clone
// below /root, say), the data is in /var/lib/alsobought/<hash of Config.Dir> and pg is a link to it. If that
// path is taken, by a Config.Dir of the same name that was removed or moved away, a number is appended.
//
// # Locks
//
// All locks are flock(2), which the kernel releases however a process ends.
//
//   - users.lock: held shared by every Server from Start to Close, and exclusively by whoever stops the server.
//   - start.lock: held exclusively by whoever starts the server (until it is ready) or leaves. Only a holder of
//     users.lock takes it.
//   - server.lock: held exclusively by the server itself. The starter opens the file; initdb, the postmaster
//     and all its children inherit it. So it is free if and only if no process of the server is left. This
//     needs no process IDs, which are reused, and is not misled by zombies or by backends that outlive their
//     postmaster.
//   - guardian.lock: held by the guardian, inherited likewise, so that there is only one.
//
// The guardian is a shell script that waits for exclusive users.lock and then stops the server as Close would.
// It covers users that were killed. Without flock(1) (on macOS) there is no guardian, and an abandoned server
// runs until its next user closes it.
//
// # Correctness
//
// Two starters: both hold users.lock; because of start.lock, the second one finds the server of the first.
//
// Stopping: only a holder of exclusive users.lock stops the server or removes the directory, so nobody is using
// it. A new user waits for its shared lock until the server is down, and then starts it again.
//
// Leaving happens under start.lock: release the shared lock, try to take the exclusive one and, if that fails,
// the shared one. If we get the exclusive lock, we are the last user. If we get the shared lock, there are
// other users, who will leave the same way later or be killed. If we get neither, the guardian must hold the
// exclusive lock, since other closers would need start.lock; wait for it. Two closers cannot get in each
// other's way: start.lock admits one at a time, and the other still holds its shared lock until then, so it
// will find itself last. Briefly taking the shared lock delays only the guardian, which waits again.
//
// Removal: users.lock is unlinked last, just before the directory. A process that then gets the lock on the
// unlinked file notices that the name no longer leads to it, and starts over. Nothing can be created in an
// unlinked directory; and if a new user has already refilled it, rmdir fails, as it should.
//
// Guardian: after releasing users.lock, the last closer waits until the guardian has noticed and exited, unless
// a new user keeps it. The guardian releases guardian.lock before users.lock, so whoever becomes a user
// afterwards sees that a new guardian is needed. It also compares users.lock with its name, so it never stops
// the server of a later directory of the same name.
package localpg
