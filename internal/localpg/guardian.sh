# Arguments: Config.Dir, data directory, socket directory. File 3 is guardian.lock, held; file 4 is
# users.lock, not yet held. The package comment explains the protocol.
{
	dir=$1 data=$2 socket=$3

	# flock must not inherit file 3: if only this shell is killed, guardian.lock must become free.
	flock -x 4 3>&- || exit 1
	# The directory was removed, and perhaps created again: it is no longer ours.
	[ "$dir/users.lock" -ef /proc/self/fd/4 ] || exit 0

	# Retry until the server has ended: it may not have written its process ID yet, and repeating a fast
	# shutdown is harmless.
	left=300
	until flock -n "$dir/server.lock" true; do
		[ $((left -= 1)) -gt 0 ] || exit 1
		pid=
		read -r pid <"$data/postmaster.pid"
		# Process IDs are reused: signal only a postgres of this data directory. Root without
		# CAP_SYS_PTRACE, as in containers, cannot read the working directory of other processes, but
		# their arguments.
		if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm")" = postgres ] &&
			{ [ "/proc/$pid/cwd" -ef "$data" ] || tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -e "$data"; }; then
			kill -INT "$pid"
		fi
		sleep 0.2
	done

	[ "$socket" = "$data" ] || rm -rf "$socket"
	if [ -e "$dir/throwaway" ]; then
		rm -rf "$data" "$data.new"
		find "$dir" -mindepth 1 -maxdepth 1 ! -name users.lock -exec rm -rf {} +
		rm -f "$dir/users.lock"
		rmdir "$dir"
	fi
	exec 3>&-
} 2>/dev/null &
