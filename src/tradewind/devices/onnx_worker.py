"""`python -m tradewind.devices.onnx_worker`: the host process that measures models as ONNX Runtime runs them."""

from __future__ import annotations

from tradewind.devices.host import serve

if __name__ == "__main__":
    from tradewind.devices import trial

    serve(trial.run, lambda: trial.prepare("onnxruntime"))
