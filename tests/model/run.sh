#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# tests/model/run.sh TIER...
#
# Explores the models of the given tiers (first column of tests/model/runs)
# and prints a line for each: states, depth, memory, time, verdict. The last
# line is "N passed, N failed". A run passes when
#
#	holds	every state was visited and nothing is wrong
#	ends	the same, and no execution goes on for ever
#	caught	the fault seeded in the model was found
#	loops	the same, and it was an execution that goes on for ever
#
# What was found instead stays in build/model/NUMBER, with its trail. MEMORY is
# the limit in MB, LIMIT the time for each run in seconds, ONLY a pattern that
# a run's line must contain.
set -u

here=$(cd "$(dirname "$0")" && pwd)
work=${BUILD:-build}/model
memory=${MEMORY:-6000}
limit=${LIMIT:-600}
passed=0 failed=0 number=0 all=0

command -v spin >/dev/null || {
	echo 'spin is missing: make deps-model'
	exit 1
}
rm -rf "$work"
mkdir -p "$work" || exit 1
work=$(cd "$work" && pwd)
cd "$work" || exit 1

# build MODEL CHECK OPTION...: makes ./pan.
build()
{
	model=$here/$1.pml
	# Full runs have many states: they are worth optimising for.
	case $2 in
	holds) flags='-O2 -DSAFETY' ;;
	ends) flags='-O2 -DNP' ;;
	loops) flags='-O0 -DNP' ;;
	*) flags='-O0 -DSAFETY' ;;
	esac
	shift 2
	spin -a "$@" "$model" >spin.log 2>&1 || return 1
	# shellcheck disable=SC2086 # flags are words
	${CC:-gcc} -w $flags -DCOLLAPSE -DMEMLIM="$memory" -DVECTORSZ=2048 \
		-o pan pan.c >cc.log 2>&1
}

# explored: the whole state space was visited, without an error.
explored()
{
	grep -q 'errors: 0' pan.log &&
		! grep -qE 'not completed|too small|reached -DMEMLIM' pan.log
}

# verdict CHECK: what the run showed.
verdict()
{
	case $1 in
	caught | loops)
		if grep -q 'errors: 1' pan.log; then
			echo "$1"
		elif explored; then
			echo MISSED
		else
			echo UNFINISHED
		fi ;;
	*)	if explored; then
			echo "$1"
		elif grep -q 'errors: 1' pan.log; then
			echo WRONG
		else
			echo UNFINISHED
		fi ;;
	esac
}

# field REGEX: the number that a line of pan's report begins with or has.
field()
{
	sed -nE "s/^.*$1.*\$/\\1/p" pan.log | head -n 1
}

# explain OPTION...: why a run failed, for the log.
explain()
{
	grep '^pan:' pan.log
	if [ -f "$name.pml.trail" ]; then
		spin -k "$name.pml.trail" -p "$@" "$model" >trail.txt 2>&1
	fi
	echo "see $(pwd)"
}

# explore MODEL CHECK OPTION...
explore()
{
	name=$1 check=$2
	shift 2
	number=$((number + 1))
	mkdir -p "$work/$number" && cd "$work/$number" || exit 1
	: >pan.log
	if build "$name" "$check" "$@"; then
		search=
		case $check in
		ends | loops) search=-l ;;
		esac
		# shellcheck disable=SC2086 # may be empty
		timeout "$limit" ./pan -m1000000 $search >pan.log 2>&1
		result=$(verdict "$check")
	else
		cat spin.log cc.log 2>/dev/null
		result=BROKEN
	fi
	states=$(awk '/ states, stored/ { printf "%d", $1 }' pan.log)
	printf '%-7s %-6s %10s %6s %7s %6s  %s\n' "$result" "$name" \
		"${states:--}" "$(field 'depth reached ([0-9]+)')" \
		"$(field ' ([0-9.]+).total actual memory')" \
		"$(field 'elapsed time ([0-9.e+]+)')" \
		"$(echo "$*" | sed 's/-D//g')"
	if [ "$result" = "$check" ]; then
		passed=$((passed + 1))
		case $check in
		holds | ends) all=$((all + states)) ;;
		esac
		cd "$work" && rm -rf "$number"
	else
		failed=$((failed + 1))
		explain "$@"
		cd "$work" || exit 1
	fi
}

if "$here/refs" >refs.log; then
	passed=1
else
	failed=1
	cat refs.log
fi
rm -f refs.log
printf '%-7s %-6s %10s %6s %7s %6s  %s\n' verdict model states depth MB s \
	parameters
while read -r tier name check options; do
	case " $* " in
	*" $tier "*) ;;
	*) continue ;;
	esac
	case "$name $check $options" in
	*"${ONLY:-}"*) ;;
	*) continue ;;
	esac
	# shellcheck disable=SC2046,SC2086 # words
	explore "$name" "$check" $(printf ' -D%s' $options)
done <"$here/runs"

echo "states visited in the runs that hold: $all"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
