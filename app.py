"""The live page with the demo model, as a Space runs it; `sepm web` is the same, on one machine."""

from sepm.models.opening import start_model
from sepm.models.options import ModelOptions
from sepm.web.choice import Choice
from sepm.web.demo import MODEL
from sepm.web.options import ServerOptions
from sepm.web.server import serve

if __name__ == "__main__":
    serve(
        start_model(ModelOptions(model_path=str(MODEL))),
        ServerOptions(host="0.0.0.0", port=7860),
        Choice(),
    )
