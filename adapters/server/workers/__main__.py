"""A worker process: the supervisor starts it with the descriptor of their channel.

Its number follows, for those who look at processes.
"""

import sys

from adapters.server import reactor

if __name__ == "__main__":
    loop = reactor.install()
    from adapters.server.workers.worker import main  # behind the reactor

    sys.exit(main(int(sys.argv[1]), loop))
