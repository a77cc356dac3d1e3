"""The public names of NeuroReel for type checkers; at run time ``__init__.py`` imports each on first use."""

from decoders.embedding.estimator import Embedding as Embedding
from decoders.errors import BadModel as BadModel
from decoders.errors import BadSplit as BadSplit
from decoders.errors import ModelMismatch as ModelMismatch
from decoders.errors import NotFitted as NotFitted
from decoders.errors import TrainedOnTestData as TrainedOnTestData
from decoders.errors import TrainingUnavailable as TrainingUnavailable
from decoders.evaluation.evaluate import EvaluateOptions as EvaluateOptions
from decoders.evaluation.evaluate import cross_validate as cross_validate
from decoders.evaluation.evaluate import evaluate as evaluate
from decoders.fitting.fit import fit_model as fit_model
from decoders.fitting.options import FitOptions as FitOptions
from decoders.live.engine import Engine as Engine
from decoders.live.engine_options import LiveOptions as LiveOptions
from decoders.model.model import Model as Model
from decoders.prediction import Prediction as Prediction
from decoders.prediction import Predictions as Predictions
from neuroreel import metrics as metrics
from neuroreel import plot as plot
from stream.binning import bin_spikes as bin_spikes
from stream.chunk import Chunk as Chunk
from stream.errors import AmbiguousStream as AmbiguousStream
from stream.errors import BadRecording as BadRecording
from stream.errors import BadUsage as BadUsage
from stream.errors import CannotWrite as CannotWrite
from stream.errors import NeuroReelError as NeuroReelError
from stream.errors import NoStream as NoStream
from stream.errors import OutputExists as OutputExists
from stream.errors import ShapeMismatch as ShapeMismatch
from stream.errors import StreamError as StreamError
from stream.errors import StreamLost as StreamLost
from stream.io.session_io import load_session as load_session
from stream.io.session_io import save_session as save_session
from stream.lsl.inlet import Inlet as Inlet
from stream.lsl.resolve import find_stream as find_stream
from stream.movie import Clip as Clip
from stream.movie import Movie as Movie
from stream.movie import load_movie as load_movie
from stream.recorder.recorder import Recorder as Recorder
from stream.replay.player import Replay as Replay
from stream.session import Kind as Kind
from stream.session import Session as Session

__version__: str
