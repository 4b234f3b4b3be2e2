# Arguments: Config.Dir, data directory, socket directory. File 3 is guardian.lock, held; file 4 is
# users.lock, not held yet. The package comment says why this is right.
{
	dir=$1 data=$2 socket=$3

	# Without file 3: if only this shell is killed, a new guardian must be able to see it.
	flock -x 4 3>&- || exit 1
	# Removed, perhaps made again by others: not ours any more.
	[ "$dir/users.lock" -ef /proc/self/fd/4 ] || exit 0

	# Ask again until all has ended: the server may not have written its process id yet. A fast
	# shutdown that was asked for twice is the same.
	left=300
	until flock -n "$dir/server.lock" true; do
		[ $((left -= 1)) -gt 0 ] || exit 1
		pid=
		read -r pid <"$data/postmaster.pid"
		# Process ids are reused: signal only a postgres that lives in this data directory. A root without CAP_SYS_PTRACE, as in
		# containers, may not look where it lives, but at its arguments.
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
