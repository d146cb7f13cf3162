"""`python -m ccs`, and by path: `python -IS .../ccs/__main__.py tick` is the cheapest tick.

-I and -S leave out what an idle tick has no use for: the environment, site-packages. Run by path
this file is compiled each time, so there is little in it.
"""

import sys

if not __package__:
    place = __file__.rpartition("/ccs/")[0] or __file__.rpartition("\\ccs\\")[0]
    if place not in sys.path:
        sys.path.append(place)  # last: nothing that lies beside ccs may stand for Python's own

from ccs.entry import main

if __name__ == "__main__":
    main()
