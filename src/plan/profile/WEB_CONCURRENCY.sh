# How many web workers fit into this dyno's memory and keep its cores busy. Web servers such as gunicorn read
# WEB_CONCURRENCY. This is sourced at boot: it must neither end the shell nor leave settings behind.
__python_buildpack_say() {
	case "${DYNO:-}" in
	web.*) echo "Python buildpack: $1" >&2 ;;
	esac
}

__python_buildpack_concurrency() {
	local memory='' version='' quota='' period='' cores='' by_memory='' by_cores=''
	# Control groups, version 1; version 2 has other names.
	if [ -r '/sys/fs/cgroup/memory/memory.limit_in_bytes' ]; then
		read -r memory <'/sys/fs/cgroup/memory/memory.limit_in_bytes' || true
	elif [ -r '/sys/fs/cgroup/memory.max' ]; then
		version=2
		read -r memory <'/sys/fs/cgroup/memory.max' || true
	fi
	# Without a limit there is "max", or a number that no machine has.
	case "${memory}" in
	'' | *[!0-9]*) memory='' ;;
	*) [ "${#memory}" -le 18 ] && memory=$((memory / 1048576)) || memory='' ;;
	esac
	if [ -z "${memory}" ] || [ "${memory}" -gt 1048576 ]; then
		__python_buildpack_say "Couldn't determine available memory. Not setting WEB_CONCURRENCY."
		return 0
	fi

	cores="$(nproc 2>/dev/null)" || cores=''
	case "${cores}" in
	'' | *[!0-9]*)
		__python_buildpack_say "Couldn't determine the number of CPU cores. Not setting WEB_CONCURRENCY."
		return 0
		;;
	esac
	# A share of the cores' time, in microseconds a period.
	if [ "${version}" = 2 ] && [ -r '/sys/fs/cgroup/cpu.max' ]; then
		read -r quota period <'/sys/fs/cgroup/cpu.max' || true
		case "${quota:-max}${period:-max}" in
		*[!0-9]*) ;;
		*)
			if [ "${period}" -gt 0 ] && [ "${quota}" -gt 0 ]; then
				quota=$(((quota + period - 1) / period))
				[ "${quota}" -ge "${cores}" ] || cores="${quota}"
			fi
			;;
		esac
	fi

	export DYNO_RAM="${memory}"
	__python_buildpack_say "Detected ${memory} MB available memory and ${cores} CPU cores."
	if [ -n "${WEB_CONCURRENCY+set}" ]; then
		__python_buildpack_say "Skipping automatic configuration of WEB_CONCURRENCY since it's already set."
		return 0
	fi

	by_memory=$((memory < 256 ? 1 : memory / 256))
	by_cores=$((2 * cores + 1))
	export WEB_CONCURRENCY_SET_BY='heroku/python'
	if [ "${by_memory}" -lt "${by_cores}" ]; then
		export WEB_CONCURRENCY="${by_memory}"
		__python_buildpack_say "Defaulting WEB_CONCURRENCY to ${by_memory} based on the available memory."
	else
		export WEB_CONCURRENCY="${by_cores}"
		__python_buildpack_say "Defaulting WEB_CONCURRENCY to ${by_cores} based on the number of CPU cores."
	fi
}

__python_buildpack_concurrency || true
unset -f __python_buildpack_concurrency __python_buildpack_say
