// Package localpg runs the private PostgreSQL used when no DATABASE_URL is given: started on demand
// from installed server programs, shared by every process that uses the same directory, stopped by
// the last of them, recovered after a kill. It listens on a unix socket only; it never opens or
// probes a TCP port, never touches a server it did not start, and changes the owner or mode of
// nothing it did not make.
//
// # Directory
//
// Config.Dir holds four locks, server.log and pg, the data directory. The socket is in pg, or,
// where that path is too long for a socket, in a private directory below /tmp.
//
// PostgreSQL refuses to run as root. When root runs us the server runs as the owner of the data, at
// first the user postgres or else nobody. If a parent of Config.Dir shuts that user out (a clone
// below /root), the data is in /var/lib/alsobought/<hash of Config.Dir> and pg is a link to it. Where
// that is taken, by a Config.Dir of the same name that was removed or moved away, a number follows.
//
// # Who holds which lock
//
// All are flock(2), which the kernel drops however a process ends.
//
//   - users.lock: every Server, shared, from Start to Close; alone by whoever ends the server.
//   - start.lock: alone, by whoever starts a server (until it is ready) or leaves. Always taken by a
//     holder of users.lock.
//   - server.lock: alone, by the server itself. The file is opened by the starter and inherited by
//     initdb, the postmaster and all its children. So it is free exactly when no process of the
//     server is left: no guess from process ids, which are reused, none from zombies, and no
//     backend that outlived its postmaster is overlooked.
//   - guardian.lock: by the guardian, likewise inherited, so that there is one.
//
// The guardian is a shell that sleeps until it gets users.lock alone, then ends the server as Close
// would. It is there for users that were killed. Where flock(1) is missing (macOS) there is none,
// and a server left behind runs until its next user ends.
//
// # Why it is right
//
// Two starters: both are users; start.lock makes the second find the server of the first.
//
// Ending: only a holder of users.lock alone stops the server or removes the directory. Then nobody
// is a user, and a newcomer waits for its shared lock until the server is down, and starts it anew.
//
// Leaving, under start.lock: give up the shared lock, try to take it alone, and if that fails, try
// to take it shared. Alone: the last one. Shared: others are users, and each of them leaves in the
// same way, or is killed, later. Neither: only the guardian can hold it alone now, since closers do
// so under start.lock; wait for it. Two closers cannot make each other fail: start.lock admits one,
// and before it the other still holds its shared lock, so it is that other who will find itself
// last. A shared lock taken for the question delays nobody but the guardian, who waits again.
//
// Removal: users.lock is unlinked last, before the directory itself. Who then gets the lock of an
// unlinked file compares it with the name, and begins again. In an unlinked directory nothing can
// be made, in one that a newcomer filled again rmdir fails, as it should.
//
// Guardian: the last closer, having given up users.lock, waits until the guardian has found that
// out and ended, unless a newcomer keeps it. On its end guardian.lock is given up before
// users.lock, so whoever becomes a user after that sees that a new one is needed. It compares
// users.lock with its name too, so it never stops a server of a later directory of the same name.
package localpg
