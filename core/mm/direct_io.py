"""block/fops.c: reading from a block device into a user's page, without the page cache."""

from __future__ import annotations

from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.mm.gup import gup_fast
from core.mm.mm import Mm
from core.mm.page import put_page, set_page_dirty


def device_wrote_cell(page: int) -> Cell:
    """Has a device written to the page for the process?"""
    return Cell("device_wrote", page)


async def dio_read(mm: Mm, addr: int) -> None:
    """__blkdev_direct_IO_simple() of one page: bio_iov_iter_get_pages(), bio_set_pages_dirty(), the transfer.

    Where GUP-fast gives up, the kernel takes the slow path, which is not modelled.
    """
    page = await gup_fast(mm, addr)
    if page is None:
        return
    await set_page_dirty(page)
    await Op(
        f"the device writes page{page}",
        (),
        (device_wrote_cell(page),),
        lambda: [Outcome(None, (True,))],
        order=Order.PRIVATE,
    )
    await put_page(page)
